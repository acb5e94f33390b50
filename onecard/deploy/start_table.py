"""Prints where the seconds of a start went, and what would shorten it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from onecard.deploy.startup_check import StartAttempt
from onecard.startup_log.budget import budget, savings


def start_budget(start: StartAttempt) -> dict[str, Any]:
    """Return a start's parts and what would shorten it, for --json."""
    phases = seconds_by_phase(start)
    parts = budget(phases, start.seconds)
    return {
        "parts": [{"phase": part.phase, "seconds": round(part.seconds, 2)} for part in parts],
        "savings": [asdict(each) for each in savings(phases, asdict(start.tracker.facts))],
    }


def print_start(start: StartAttempt, console: Console) -> None:
    """Print the table and the sentences."""
    phases = seconds_by_phase(start)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("start")
    table.add_column("seconds", justify="right")
    table.add_column("")
    for part in budget(phases, start.seconds):
        table.add_row(part.phase, f"{part.seconds:.1f}", part.what)
    table.add_row("together", f"{start.seconds or 0:.1f}", "")
    console.print(table)
    for each in savings(phases, asdict(start.tracker.facts)):
        line = f"shorter: {each.part}, {each.seconds:.0f} s: {each.how}"
        console.print(line, soft_wrap=True)


def seconds_by_phase(start: StartAttempt) -> Mapping[str, float]:
    """Return the seconds of each phase that took place, in order."""
    return {
        state.phase.title: state.seconds
        for state in start.tracker.phases
        if state.started is not None
    }
