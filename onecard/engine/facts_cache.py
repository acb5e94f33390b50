"""The answers to the facts' probes in the last run on a box, cached on this computer.

From them a run expects which probes it will send (expected_probes.py); they decide nothing. A
missing or broken file, or one of other probes, counts as no cache. The folder is private: the names
of processes and accounts are for no other user to read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from onecard.byte_code import private_folder
from onecard.facts.model import Facts
from onecard.facts.probes import PROBES
from onecard.facts.read import read_facts
from onecard.json_text import parse_json
from onecard.ssh.probe_batch import Answer


class FactsCache:
    """The facts of one box. path: the file; None where there is no private folder."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def load(self) -> Facts | None:
        """Return the facts of the last run, None if there are none."""
        if self.path is None:
            return None
        try:
            known = parse_json(self.path.read_bytes())
            if known["probes"] != _version():
                return None
            return read_facts({name: Answer(**known["answers"][name]) for name in PROBES})
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
            return None

    def store(self, answers: Mapping[str, Answer]) -> None:
        """Store the answers to PROBES; do nothing where they cannot be written."""
        if self.path is None:
            return
        document = {
            "probes": _version(),
            "answers": {name: asdict(answer) for name, answer in answers.items()},
        }
        new = self.path.with_suffix(f".{os.getpid()}")
        try:
            new.touch(mode=0o600)
            new.write_text(json.dumps(document))
            new.replace(self.path)
        except OSError:
            new.unlink(missing_ok=True)


def cache_of(inventory: Path, host: str) -> FactsCache:
    """Return the cache for a host of an inventory folder."""
    folder = private_folder("facts")
    if folder is None:
        return FactsCache(None)
    name = hashlib.sha256(f"{inventory.resolve()}\n{host}".encode()).hexdigest()[:16]
    return FactsCache(Path(folder) / f"{name}.json")


def _version() -> str:
    return hashlib.sha256("".join(PROBES.values()).encode()).hexdigest()[:16]
