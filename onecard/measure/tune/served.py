"""What is measured of each server: answers to questions about pictures, and rounds of a load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onecard.api.client import Client
from onecard.measure.bench.bench_run import open_runner
from onecard.measure.bench.figures import Bounds
from onecard.measure.stress.cells import CONTROL, NO_PREFIX, POSITIONS, Cell
from onecard.measure.stress.result import StressAnswer, Tally
from onecard.measure.stress.stress_run import Finished, StressRun
from onecard.measure.tune.judgement import Answers
from onecard.measure.tune.tune_settings import TuneSettings
from onecard.records import Record
from onecard.smoke.questions import questions
from onecard.smoke.smoke_run import run_smoke
from onecard.ssh.login import Connected

Step = Callable[[str], None]


def read_answers(api: Client, host: str, text_tokens: int, step: Step) -> Answers:
    """Send the smoke questions, then each with a text as long as the load's before and behind it.

    step: called after each of the two.
    """
    asked = questions(api.model)
    report = run_smoke(api, asked, host=host, repeats=1)
    step("smoke")
    pictured = [case for case in asked.cases if case.image]
    answers: list[StressAnswer] = []

    def on_cell(done: Finished) -> None:
        if done.cell.prefix != NO_PREFIX:
            answers.extend(done.answers)

    cells = [CONTROL, *(Cell("prose", position, text_tokens) for position in POSITIONS)]
    StressRun(api, pictured, len(pictured), Record(None)).run(cells, on_cell)
    step("grounding")
    return Answers(len(report.cases) - report.failed, len(report.cases), Tally.of(answers))


def run_rounds(
    box: Connected, settings: TuneSettings, seed: int, step: Step
) -> list[dict[str, Any]]:
    """Run a round to warm up, then those that count; return the figures of each (`load` events).

    seed: of the first; the same one gives the same requests. step: called after each round.
    """
    found = []
    with open_runner(box, Record(None), Bounds()) as runner:
        for number in range(1 + settings.repeats):
            found.append(runner.vllm(settings.load(seed + number)))
            step(f"round {number} of {settings.repeats}" if number else "warm-up")
    return found[1:]
