"""How far a measurement is and how long it will still take."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_EVERY = 5.0  # seconds between two plain lines


class Steps:
    """Counts steps: a bar with the time left on a terminal, else a line every five seconds.

    title: what is measured, such as `box1  stress`. total: how many steps there are.
    """

    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console, self._title, self._total = console, title, total
        self._done = 0
        self._began = self._told = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(escape(title), total=total)

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def step(self, text: str = "") -> None:
        """Note that one more step is done. text: what it was."""
        self._done += 1
        self._progress.update(
            self._task, advance=1, description=escape(f"{self._title} {text}".rstrip())
        )
        now = time.monotonic()
        if self._console.is_terminal or now - self._told < _EVERY or self._done == self._total:
            return
        self._told = now
        self._console.print(f"[dim]{escape(self._title)}[/]  {escape(self.line(now))}")

    def line(self, now: float) -> str:
        """Return `24 of 120, 31 s left`."""
        left = seconds_left(self._done, self._total, now - self._began)
        return f"{self._done} of {self._total}" + ("" if left is None else f", {left:.0f} s left")


def seconds_left(done: int, total: int, elapsed: float) -> float | None:
    """Return how long the rest takes if it goes on as fast; None before the first step."""
    return None if done == 0 else elapsed / done * (total - done)
