"""The live screen of a server's load: bars, values, what is missing; and its keys."""

from __future__ import annotations

import io
import os
import pty
import sys
import termios
import time
from dataclasses import replace

import pytest
from rich.console import Console

from onecard.console.keys import keys
from onecard.console.load_screen import LoadScreen, is_large_enough
from onecard.console.sparkline import sparkline
from onecard.server.load_sample import CardSample, LoadSample

CARD = CardSample(71_234, 81_559, 412.3, 61.0)
SAMPLE = LoadSample(1.0, 3, 1, 2.0, 3009.0, 7.9, 0.018, 0, (CARD,), ("400 Bad Request",))


def shown(screen: LoadScreen, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=24)
    with console.capture() as capture:
        console.print(screen.rendered(width))
    lines = capture.get().splitlines()
    assert all(len(line) <= width for line in lines)
    return [line.rstrip() for line in lines]


def line(lines: list[str], title: str) -> str:
    return next(each for each in lines if each.startswith(title))


def test_bars_are_scaled_and_the_newest_stands_at_the_right() -> None:
    assert sparkline([0, 1, 2, 4, 8], 5) == "▁▂▃▅█"
    assert sparkline([None, 0.5], 4, top=1.0).replace("\N{NO-BREAK SPACE}", " ") == "   ▅"
    assert sparkline([9, 9, 9, 1], 2) == "█▁"
    assert sparkline([0, 0], 2) == "▁▁"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_figure_stands_on_one_line(width: int) -> None:
    screen = LoadScreen("box1  tiny-vqa", 1.0)
    for running in (0, 1, 3):
        screen.add(replace(SAMPLE, running=running))
    lines = shown(screen, width)
    assert line(lines, "running").endswith("▁▃█ 3 requests")
    assert line(lines, "prompt tokens").endswith("3,009/s")
    assert line(lines, "KV cache").endswith("1.8 %")
    assert line(lines, "memory").endswith("69.6 of 79.6 GiB")
    assert line(lines, "power").endswith("412 W")
    assert line(lines, "temperature").endswith("61 °C")
    assert "400 Bad Request" in lines
    assert len(lines) < 20


def test_several_cards_are_summed_and_the_hottest_counts() -> None:
    screen = LoadScreen("box1", 1.0)
    screen.add(replace(SAMPLE, cards=(CARD, replace(CARD, power_w=None, temperature_c=70.0))))
    lines = shown(screen)
    assert line(lines, "memory of 2 cards").endswith("139.1 of 159.3 GiB")
    assert line(lines, "power of 2 cards").endswith("412 W")
    assert line(lines, "hottest card").endswith("70 °C")


def test_a_server_that_does_not_answer_leaves_a_gap_and_no_values() -> None:
    screen = LoadScreen("box1", 1.0)
    assert "waiting for the first sample" in shown(screen)
    screen.add(SAMPLE)
    screen.miss("connection refused: " + 90 * "x")
    lines = shown(screen)
    assert lines[1].startswith("connection refused") and lines[1].endswith("…")
    assert line(lines, "running").endswith("-")
    screen.add(SAMPLE)
    assert "█\N{NO-BREAK SPACE}█ 3 requests" in line(shown(screen), "running")


@pytest.mark.parametrize(
    ("width", "height", "fits"), [(60, 20, True), (59, 20, False), (60, 19, False)]
)
def test_a_small_terminal_is_known(width: int, height: int, fits: bool) -> None:
    assert is_large_enough(Console(width=width, height=height)) is fits


def test_a_key_comes_without_enter_and_the_terminal_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, closefd=True) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        before = termios.tcgetattr(theirs)
        with keys() as pressed:
            assert pressed(0.0) == ""
            os.write(ours, b"q")
            assert pressed(5.0) == "q"
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_without_a_terminal_no_key_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("q"))
    began = time.monotonic()
    with keys() as pressed:
        assert pressed(0.05) == ""
    assert time.monotonic() - began >= 0.05
