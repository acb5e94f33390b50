"""One live line at the bottom of a terminal: what is at work, how far, since when."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class LiveLine:
    """Shows nothing where the console is no terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None)

    @property
    def shown(self) -> bool:
        """Tell whether anybody sees the line."""
        return not self._progress.disable

    def begin(self, text: str) -> None:
        """Show that something begins; its clock starts at 0."""
        self._progress.reset(self._task, total=None, description=escape(text))
        self._progress.start()

    def update(self, text: str, fraction: float | None = None) -> None:
        """Change the text, and fill the bar up to `fraction` (0 to 1) where there is one."""
        total = None if fraction is None else 1.0
        self._progress.update(
            self._task, description=escape(text), total=total, completed=fraction or 0.0
        )

    def close(self) -> None:
        """Take the line away."""
        self._progress.stop()
