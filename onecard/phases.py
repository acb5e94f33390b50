"""Shows a start's phases as they happen: one line for each that ends, a live line in between."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.status import Status
from rich.table import Table

from onecard.start import Event, EventKind, StartTracker


class PhaseConsole:
    """Prints each phase with the seconds since the start began."""

    def __init__(self, console: Console, host: str) -> None:
        self._console = console
        self._host = host
        self._status = Status("", console=console) if console.is_terminal else None
        self._shown = time.monotonic()

    def event(self, event: Event) -> None:
        """Show one event of the tracker."""
        if event.kind is EventKind.PHASE:
            self._print(event.at, event.phase.title)
        elif event.kind is EventKind.ANSWERED:
            self._print(event.at, "answered")
        elif event.kind is EventKind.PROGRESS and event.fraction is not None:
            self._bar(event)
        elif event.kind is EventKind.RESTARTED:
            self._print(event.at, "the server died and was started again", "red")

    def _print(self, at: float, text: str, style: str = "") -> None:
        self._console.print(
            f"[dim]{self._host}[/]  {at:6.1f} s  {escape(text)}", style=style or None
        )
        if self._status is not None:
            self._status.update(text)
            self._status.start()

    def _bar(self, event: Event) -> None:
        percent = f"{100 * (event.fraction or 0):3.0f} %"
        if self._status is not None:
            grid = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=1.0, completed=event.fraction or 0, width=24)
            grid.add_row(event.phase.title, bar, percent, escape(event.text))
            self._status.update(grid)
        elif time.monotonic() - self._shown > 5:
            self._shown = time.monotonic()
            self._console.print(
                f"[dim]{self._host}[/]  {event.at:6.1f} s  {event.phase.title} {percent}"
            )

    def close(self) -> None:
        """Take the live line away."""
        if self._status is not None:
            self._status.stop()


def memory_lines(tracker: StartTracker) -> list[str]:
    """Return what the log told of memory, a line each; nothing that it did not tell."""
    facts = tracker.facts
    lines = []
    if facts.weights_gib is not None:
        lines.append(f"weights {facts.weights_gib:.2f} GiB")
    if facts.kv_available_gib is not None:
        lines.append(f"KV cache {facts.kv_available_gib:.2f} GiB")
    if facts.graphs_gib is not None:
        lines.append(f"CUDA graphs {facts.graphs_gib:.2f} GiB")
    if facts.kv_concurrency is not None and facts.kv_request_tokens is not None:
        lines.append(
            f"{facts.kv_concurrency:.2f} requests of {facts.kv_request_tokens:,} tokens at once"
        )
    return lines
