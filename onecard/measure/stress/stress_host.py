"""Runs a whole stress measurement on a host's server and records it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from onecard.console.steps import Steps
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.measure.stress.cells import POSITIONS, Cell, cells, default_lengths
from onecard.measure.stress.curve import Curve
from onecard.measure.stress.result import FAILED, StressAnswer
from onecard.measure.stress.stress_run import Finished, StressRun
from onecard.records import recorded
from onecard.server.client import client
from onecard.server.state import service_state
from onecard.smoke.questions import questions
from onecard.smoke.recorded import note_box, note_server
from onecard.ssh.login import connected

LONGEST_REQUEST_S = 1800.0
_PER_REQUEST = 1000.0  # tokens of text that take about as long as all else of a request


@dataclass(frozen=True)
class StressSettings:
    """What is sent. lengths: in tokens, none for the usual ones. prefixes: kinds of texts.

    cases: a file, empty for the shipped cases. each: the number of questions of each cell.
    """

    lengths: tuple[int, ...]
    prefixes: tuple[str, ...]
    cases: str
    each: int

    def values(self) -> dict[str, Any]:
        """Return the parameters of its record."""
        return {
            "lengths": list(self.lengths),
            "prefixes": list(self.prefixes),
            "positions": list(POSITIONS),
            "asked": self.each,
            "file": self.cases,
        }


@dataclass(frozen=True)
class StressResult:
    """The finished cells and their curve. exit_code: 1 when a request failed, or blind answers."""

    model: str
    cells: tuple[Finished, ...]
    curve: Curve
    exit_code: int


def stress_host(
    host: Host, known_hosts: Path, console: Console, settings: StressSettings
) -> StressResult:
    """Send every cell's questions. Raises UsageError for a bad case file, before any connection."""
    if settings.cases:
        refuse_blind(settings.cases)
    done: list[Finished] = []
    with (
        recorded("stress", host, settings.values()) as record,
        connected(host, known_hosts) as box,
    ):
        note_box(record, box)
        state = service_state(box.session)
        with client(box, state, timeout_s=LONGEST_REQUEST_S) as api:
            note_server(record, state, api.version())
            lengths = settings.lengths or default_lengths(state.ctx)
            wanted = cells(lengths, settings.prefixes, POSITIONS)
            run = StressRun(
                api, questions(state.model, settings.cases).cases, settings.each, record
            )
            curve = _with_progress(console, f"{host.name}  stress", run, wanted, done)
        failed = any(answer.outcome == FAILED for each in done for answer in each.answers)
        record.exit_code = 1 if failed or curve.trouble else 0
    return StressResult(state.model, tuple(done), curve, record.exit_code)


def refuse_blind(cases: str) -> None:
    """Raise UsageError for a case file that is bad, or has no question with a picture."""
    if not any(case.image for case in questions("", cases).cases):
        raise UsageError(f"{cases}: no question has a picture; stress needs pictures")


def _with_progress(
    console: Console, title: str, run: StressRun, wanted: Sequence[Cell], done: list[Finished]
) -> Curve:
    """Run the cells, show each request as a step, and add each finished cell to `done`."""
    weights = [_PER_REQUEST + cell.target_tokens for cell in wanted for _ in run.questions(cell)]
    with Steps(console, title, weights) as steps:

        def on_answer(answer: StressAnswer) -> None:
            steps.step(answer.cell.title)

        def on_cell(finished: Finished) -> None:
            done.append(finished)
            # Beyond the context one request stands for a cell's others.
            sent = sum(len(run.questions(each.cell)) for each in done)
            steps.reach(sent, finished.cell.title)

        return run.run(wanted, on_cell, on_answer)
