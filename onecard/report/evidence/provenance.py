"""The source of a figure, the run, in words."""

from __future__ import annotations

from onecard.records import Run
from onecard.report.blocks import numbers


def day_and_time(time: str) -> str:
    """Return `2026-11-23 21:00 UTC` for a record's time."""
    return f"{time[:10]} {time[11:16]} UTC" if len(time) >= 16 else time


def source(run: Run, what: str = "") -> str:
    """Return the source of a table's numbers: the run, its time, and what was served."""
    server = run.last("server") or {}
    words = [f"invoke {run.kind} of {day_and_time(run.time)}"]
    if server.get("model"):
        words.append(str(server["model"]))
    if server.get("ctx") and run.kind != "scale":
        words.append(f"configured for {numbers.count(server['ctx'])} tokens")
    if run.status in ("interrupted", "open"):
        words.append("interrupted before its end")
    return f"{what + ' ' if what else ''}Measured by {', '.join(words)}."
