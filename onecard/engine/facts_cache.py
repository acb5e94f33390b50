"""What the last run on a box sent and read, cached on this computer: its probes, and its facts.

The probes are sent again with the next login, before this run knows its own; they decide nothing,
and wrong ones cost the round trip that they should have saved. A missing or broken file, or one of
another version of the facts' probes, counts as no cache. The folder is private: what is in it runs
on boxes, and the names of processes and accounts are for no other user to read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onecard.facts.probes import PROBES
from onecard.json_text import parse_json
from onecard.private_files import private_file
from onecard.ssh.probe_batch import Answer

if TYPE_CHECKING:
    from onecard.facts import Facts


class FactsCache:
    """The cache of one box. path: the file; None where there is no private folder."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @cached_property
    def expected(self) -> tuple[str, ...]:
        """Return the shell text of the last run's probes of resources; () if there are none."""
        listed = self._known.get("expected")
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            return ()
        return tuple(listed)

    def load(self) -> Facts | None:
        """Return the facts of the last run, None if there are none."""
        from onecard.facts import read_facts

        try:
            answers = self._known["answers"]
            return read_facts({name: Answer(**answers[name]) for name in PROBES})
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
            return None

    def store(self, answers: Mapping[str, Answer], expected: Iterable[str]) -> None:
        """Store the answers to PROBES, and the other probes; do nothing where that fails."""
        if self.path is None:
            return
        document = {
            "probes": _version(),
            "answers": {name: asdict(answer) for name, answer in answers.items()},
            "expected": list(expected),
        }
        new = self.path.with_suffix(f".{os.getpid()}")
        try:
            new.touch(mode=0o600)
            new.write_text(json.dumps(document))
            new.replace(self.path)
        except OSError:
            new.unlink(missing_ok=True)

    @cached_property
    def _known(self) -> Mapping[str, Any]:
        if self.path is None:
            return {}
        try:
            known = parse_json(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        current = isinstance(known, dict) and known.get("probes") == _version()
        return known if current else {}


def cache_of(inventory: Path, host: str) -> FactsCache:
    """Return the cache for a host of an inventory folder."""
    return FactsCache(private_file("facts", str(inventory.resolve()), host))


def _version() -> str:
    return hashlib.sha256("".join(PROBES.values()).encode()).hexdigest()[:16]
