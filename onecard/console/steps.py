"""The progress of a measurement and its remaining time.

A live line on a terminal. Elsewhere plain lines, from a thread of their own: a single request may
take minutes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from onecard.console.live_line import LiveLine, cut, rough

FIRST_S: Final = 5.0  # until the first plain line
EVERY_S: Final = 15.0  # between two of them
_BESIDE: Final = 41  # characters of a live line: bar, count, time left


class Steps:
    """Counts steps.

    title: what is measured, such as `box1  stress`. weights: one for each step, in proportion to
    the time that it takes.
    """

    def __init__(self, console: Console, title: str, weights: Sequence[float]) -> None:
        self._console, self._title = console, title
        self._weights = (0.0, *accumulate(weights))
        self._done = 0
        self._began = self._stepped = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            _TimeLeft(self),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(self._cut(title), total=len(weights))
        self._lines = PlainLines(console, title, self.line)

    def __enter__(self) -> Steps:
        self._progress.start()
        self._lines.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.__exit__()
        self._progress.stop()

    def step(self, text: str = "") -> None:
        """Count one more step as done. text: what it was."""
        self.reach(self._done + 1, text)

    def reach(self, done: int, text: str = "") -> None:
        """Set how many steps are done, or need not be done any more."""
        self._done, self._stepped = min(done, len(self._weights) - 1), time.monotonic()
        self._progress.update(
            self._task,
            completed=self._done,
            description=self._cut(f"{self._title} {text}".rstrip()),
        )

    def _cut(self, text: str) -> str:
        return cut(text, self._console, _BESIDE)

    def line(self) -> str:
        """Return `24 of 120, 31 s left`."""
        left = self.left()
        return f"{self._done} of {len(self._weights) - 1}" + (f", {left}" if left else "")

    def left(self) -> str:
        """Return `31 s left`; empty before the first step, when the time is unknown."""
        done, total = self._weights[self._done], self._weights[-1]
        spent = self._stepped - self._began
        seconds = seconds_left(done, total, spent)
        if seconds is None:
            return ""
        # The current step counts down, but not below what the steps after it will take.
        behind = self._weights[min(self._done + 1, len(self._weights) - 1)]
        least = seconds_left(done, total - behind + done, spent) or 0.0
        return f"{rough(max(least, seconds - (time.monotonic() - self._stepped)))} left"


class PlainLines:
    """Prints the progress every few seconds while entered, where the console is not a terminal."""

    def __init__(self, console: Console, title: str, line: Callable[[], str]) -> None:
        self._console, self._title, self._line = console, title, line
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._print, daemon=True)

    def __enter__(self) -> None:
        if not self._console.is_terminal:
            self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _print(self) -> None:
        pause = FIRST_S
        while not self._over.wait(pause):
            self._console.print(f"[dim]{escape(self._title)}[/]  {escape(self._line())}")
            pause = EVERY_S


class _TimeLeft(ProgressColumn):
    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    def render(self, task: Task) -> Text:
        return Text(self._steps.left(), style="cyan")


@contextmanager
def waiting(
    console: Console, title: str, text: str, expected_s: float | None = None
) -> Iterator[None]:
    """Show what is waited for, since when, and how much longer if it takes as long as expected.

    title: such as the host's name.
    """
    began = time.monotonic()
    live = LiveLine(console)
    live.begin(text)
    live.expect(expected_s)

    def line() -> str:
        left = f", {live.left}" if live.left else ""
        return f"... {text}: {time.monotonic() - began:.0f} s{left}"

    try:
        with PlainLines(console, title, line):
            yield
    finally:
        live.close()


def seconds_left(done: float, total: float, elapsed: float) -> float | None:
    """Return the seconds that the rest takes at the same pace; None before the first step."""
    return None if done == 0 else elapsed / done * (total - done)
