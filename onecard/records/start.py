"""A server's start as a `start` event: its phases and what its log reports of memory."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from onecard.startup_log import StartTracker


def start_values(ctx: int, tracker: StartTracker, seconds: float | None) -> dict[str, Any]:
    """Return the values of a start. seconds: to its first answer, None without one."""
    return {
        "ctx": ctx,
        "answered_s": seconds,
        "phases": [
            {"phase": state.phase.title, "began_s": state.started, "seconds": state.seconds}
            for state in tracker.phases
            if state.started is not None
        ],
        "memory": asdict(tracker.facts),
    }
