"""`invoke stress`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from onecard import cli
from onecard.connect import connected
from onecard.console import progress_console
from onecard.engine import gather
from onecard.errors import UsageError
from onecard.measure.progress import Steps
from onecard.measure.texts import KINDS
from onecard.questions import questions
from onecard.runs import recorded
from onecard.runs.facts import ask_software
from onecard.runs.smoke import note_server
from onecard.server import client, service_state
from onecard.stress.cells import POSITIONS, cells, default_lengths
from onecard.stress.result import FAILED, Answer
from onecard.stress.run import Finished, Stress
from onecard.stress.table import render

LONGEST_REQUEST_S = 1800.0
_PER_REQUEST = 1000.0  # tokens of text that take about as long as all else of a request


def stress(
    requested: str,
    *,
    lengths: Sequence[int],
    prefixes: str,
    cases: str,
    asked: int,
    as_json: bool,
) -> int:
    """Ask picture questions beside ever longer texts.

    Return 1 when a request failed, or when the controls say that no picture was looked at. Wrong
    answers behind long texts are what is measured, not a failure. lengths: none for the usual ones.
    """
    host = cli.chosen_host(requested)
    kinds = _kinds(prefixes)
    if cases:
        _check(cases)
    done: list[Finished] = []
    parameters: dict[str, Any] = {
        "lengths": list(lengths),
        "prefixes": list(kinds),
        "positions": list(POSITIONS),
        "asked": asked,
        "file": cases,
    }
    with recorded("stress", host, parameters) as record, connected(host, cli.known_hosts()) as box:
        record.facts(gather(box.session, None), ask_software(box.session))
        state = service_state(box.session)
        with client(box, state, timeout_s=LONGEST_REQUEST_S) as api:
            note_server(record, state, api.version())
            wanted = cells(lengths or default_lengths(state.ctx), kinds, POSITIONS)
            run = Stress(api, questions(state.model, cases).cases, asked, record)
            weights = [
                _PER_REQUEST + cell.target_tokens for cell in wanted for _ in run.questions(cell)
            ]
            with Steps(progress_console(), f"{host.name}  stress", weights) as steps:

                def on_answer(answer: Answer) -> None:
                    steps.step(answer.cell.title)

                def on_cell(finished: Finished) -> None:
                    done.append(finished)
                    # Beyond the context one request stands for a cell's others.
                    asked_for = sum(len(run.questions(each.cell)) for each in done)
                    steps.reach(asked_for, finished.cell.title)

                curve = run.run(wanted, on_cell, on_answer)
        failed = any(answer.outcome == FAILED for each in done for answer in each.answers)
        record.exit_code = 1 if failed or curve.trouble else 0
    if as_json:
        cli.print_json({"host": host.name, "model": state.model, **curve.values()})
    else:
        render(done, curve, Console(highlight=False))
    return record.exit_code


def _check(cases: str) -> None:
    """Raise UsageError for a bad case file: before any connection."""
    if not any(case.image for case in questions("", cases).cases):
        raise UsageError(f"{cases}: no question has a picture; stress asks about pictures")


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f'--prefixes: "{kind}" is none of {", ".join(KINDS)}')
    return kinds
