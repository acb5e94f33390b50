"""The facts of pods, from what their probes print: fixtures/facts/*.yml say where it is from."""

from __future__ import annotations

from pathlib import Path

import yaml

from onecard.facts import Facts, read_facts
from onecard.ssh.probe_batch import Answer

FOLDER = Path(__file__).parent.parent / "unit" / "fixtures" / "facts"


def pod(name: str) -> Facts:
    """Return the facts of a pod: `runpod-a100` or `vast-4090x2`."""
    answers = yaml.safe_load((FOLDER / f"{name}.yml").read_text("utf-8"))["answers"]
    return read_facts({probe: Answer(text) for probe, text in answers.items()}, 1795960000.0)
