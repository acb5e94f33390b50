"""What a start shows where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from onecard.deploy import phases
from onecard.deploy.phases import PhaseConsole
from onecard.startup_log import StartTracker


class Clock:
    """Time as the test sets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(phases.time, "monotonic", made.monotonic)
    return made


def shown(clock: Clock, lines: list[tuple[float, str]], usual_s: float) -> str:
    output = io.StringIO()
    console = PhaseConsole(Console(file=output, width=100), "box1", usual_s=usual_s)
    tracker = StartTracker()
    for at, line in lines:
        clock.now = at
        for event in tracker.feed(line, at):
            console.event(event)
    console.close()
    return output.getvalue()


BAR = "Loading safetensors checkpoint shards: {:3d}% Completed | {}/4 [00:00<00:00, 1.0it/s]"


def test_a_phase_that_takes_no_time_shows_no_bar(clock: Clock) -> None:
    text = shown(
        clock,
        [
            (12.0, "Starting to load model /m..."),
            (12.1, BAR.format(0, 0)),
            (12.2, BAR.format(100, 4)),
            (12.3, "Loading weights took 0.01 seconds"),
        ],
        usual_s=5.0,
    )
    assert "weights\n" in text
    assert "%" not in text
    assert "overdue" not in text


def test_a_long_phase_shows_its_bar_and_what_is_left_of_the_start(clock: Clock) -> None:
    text = shown(
        clock,
        [
            (12.0, "Starting to load model /m..."),
            (12.1, BAR.format(0, 0)),
            (20.0, BAR.format(25, 1)),
            (90.0, BAR.format(75, 3)),
        ],
        usual_s=60.0,
    )
    assert "weights 25 %, 40 s left\n" in text
    assert "weights 75 %\n" in text  # later than usual: nobody knows what is left
