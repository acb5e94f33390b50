"""What a start of the server needs of a console."""

from __future__ import annotations

from typing import Protocol

from onecard.startup_log import Event


class StartDisplay(Protocol):
    """Shows the phases of a start, and lines beside them."""

    def say(self, text: str, style: str = "") -> None:
        """Print one line about the host."""

    def start_begins(self, *, from_s: float, is_new: bool) -> None:
        """Show that a startup check begins.

        from_s: phases before this many seconds are not shown. is_new: the server was started just
        now, so that its usual time is what to expect.
        """

    def start_event(self, event: Event) -> None:
        """Show an event of the start that runs."""

    def start_ends(self) -> None:
        """Remove the live line; harmless when none is shown."""
