"""Shows a start's phases as they happen: one line for each, and a live line in between."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape

from onecard.console.live_line import LiveLine, rough
from onecard.startup_log import Event, EventKind


class PhaseConsole:
    """Prints each phase with the seconds since the start began, from `from_s` seconds on.

    usual_s: what the whole start usually takes; None where that is unknown.
    """

    def __init__(
        self, console: Console, host: str, from_s: float = 0.0, usual_s: float | None = None
    ) -> None:
        self._from_s = from_s
        self._console = console
        self._host = host
        self._live = LiveLine(console)
        self._live.begin("waiting for the journal")
        self._live.expect(usual_s)
        if usual_s is not None and not self._live.shown:
            self._print(0.0, f"starting, usually {rough(usual_s)}")
        self._shown = time.monotonic()

    def event(self, event: Event) -> None:
        """Show one event of the tracker."""
        if event.at < self._from_s:
            return
        if event.kind is EventKind.PHASE:
            self._print(event.at, event.phase.title)
            self._live.begin(event.phase.title)
            self._shown = time.monotonic()  # a bar of a phase that is soon over is not shown
        elif event.kind is EventKind.ANSWERED:
            self._print(event.at, "answered")
        elif event.kind is EventKind.PROGRESS and event.fraction is not None:
            self._bar(event, event.fraction)
        elif event.kind is EventKind.RESTARTED:
            self._print(event.at, "the server died and was started again", "red")

    def _print(self, at: float, text: str, style: str = "") -> None:
        line = f"[dim]{escape(self._host)}[/]  {at:6.1f} s  {escape(text)}"
        self._console.print(line, style=style or None)

    def _bar(self, event: Event, fraction: float) -> None:
        self._live.update(f"{event.phase.title} {event.text}", fraction)
        if not self._live.shown and time.monotonic() - self._shown > 5:
            self._shown = time.monotonic()
            left = f", {self._live.left}" if self._live.left.endswith("left") else ""
            self._print(event.at, f"{event.phase.title} {100 * fraction:.0f} %{left}")

    def close(self) -> None:
        """Remove the live line."""
        self._live.close()
