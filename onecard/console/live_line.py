"""One live line at the bottom of a terminal: what runs, its progress, time elapsed and left."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

_BESIDE: Final = 41  # characters: spinner, bar, clock, time left


class LiveLine:
    """Shows nothing where the console is not a terminal."""

    def __init__(self, console: Console) -> None:
        self._end: float | None = None
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TimeElapsedColumn(),
            _Left(self),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None)

    @property
    def shown(self) -> bool:
        """Return whether the line is visible: the console is a terminal."""
        return not self._progress.disable

    def begin(self, text: str) -> None:
        """Show that a step begins; its clock starts at 0."""
        self._progress.reset(self._task, total=None, description=self._cut(text))
        self._progress.start()

    def expect(self, seconds: float | None) -> None:
        """Count down so many seconds from now; None: the duration is unknown."""
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> str:
        """Return `31 s left`; empty where that is unknown."""
        return "" if self._end is None else left(self._end - time.monotonic())

    def update(self, text: str, fraction: float | None = None) -> None:
        """Change the text, and fill the bar up to `fraction` (0 to 1) where there is one."""
        total = None if fraction is None else 1.0
        self._progress.update(
            self._task, description=self._cut(text), total=total, completed=fraction or 0.0
        )

    def _cut(self, text: str) -> str:
        return cut(text, self._progress.console, _BESIDE)

    def close(self) -> None:
        """Remove the line."""
        self._progress.stop()


class _Left(ProgressColumn):
    """The column with the time left."""

    def __init__(self, line: LiveLine) -> None:
        super().__init__()
        self._line = line

    def render(self, task: Task) -> Text:
        return Text(self._line.left, style="cyan")


def cut(text: str, console: Console, beside: int) -> str:
    """Return text, as markup, with room for `beside` more characters in its line.

    A line that is too long would lose its end, which is the time left.
    """
    shown = Text(text)
    shown.truncate(max(10, console.width - beside), overflow="ellipsis")
    return escape(shown.plain)


def left(seconds: float) -> str:
    """Return `31 s left`, or `overdue` when it takes longer than was expected."""
    return "overdue" if seconds <= 0 else f"{rough(seconds)} left"


def rough(seconds: float) -> str:
    """Return `31 s`, `4 min` from a hundred seconds up, `2.5 h` from a hundred minutes up."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"
