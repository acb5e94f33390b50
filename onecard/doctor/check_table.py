"""Prints the tables of facts and of checks; both as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onecard.doctor.check import Check
from onecard.doctor.fact_rows import rows
from onecard.facts import model
from onecard.facts.model import Facts

_STYLES = {"ok": "green", "warning": "yellow", "blocker": "bold red", "unknown": "dim"}
_WORST_FIRST = ("blocker", "warning", "unknown", "ok")


def print_facts(facts: Facts, console: Console) -> None:
    """Print one row for each fact; long lines wrap within their column."""
    table = _table(10)
    for subject, text in rows(facts):
        table.add_row(Text(subject, style="bold"), Text(text))
    console.print(table)


def print_checks(facts: Facts, checks: tuple[Check, ...], console: Console) -> None:
    """Print a summary of the box, then all checks, the worst first, each with its fix."""
    console.print(Text(_headline(facts)), highlight=False)
    table = _table(8, 14)
    for check in sorted(checks, key=lambda check: _WORST_FIRST.index(check.status)):
        status = Text(check.status, style=_STYLES[check.status])
        table.add_row(status, check.name, Text(check.message))
        if check.fix:
            table.add_row("", "", Text(f"fix: {check.fix}", style="italic"))
    console.print(table)
    console.print(Text(_verdict(checks)), highlight=False)


def _table(*widths: int) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for width in widths:
        table.add_column(width=width, no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _headline(facts: Facts) -> str:
    cards = counted([gpu.name for gpu in facts.gpus] or [card.name for card in facts.pci_gpus])
    memory = facts.memory
    parts = (
        facts.os.name or "unknown system",
        f"kernel {facts.kernel.release or 'unknown'}",
        f"{memory.cpus} CPUs" if memory.cpus else "",
        f"{memory.total_gib:.0f} GiB memory" if memory.total_gib else "",
        cards or ("no NVIDIA card" if facts.pci_readable else "NVIDIA cards unknown"),
    )
    return ", ".join(part for part in parts if part)


def counted(names: Sequence[str]) -> str:
    """Return a summary of cards, such as `2 x NVIDIA H100 80GB HBM3`; empty for none."""
    return ", ".join(f"{count} x {name}" for name, count in Counter(names).items())


def _verdict(checks: tuple[Check, ...]) -> str:
    counts = {status: sum(one.status == status for one in checks) for status in _WORST_FIRST}
    parts = [f"{counts['ok']} of {len(checks)} checks ok"]
    for status, word in (("warning", "warnings"), ("blocker", "blockers"), ("unknown", "unknown")):
        if counts[status]:
            parts.append(f"{counts[status]} {word if counts[status] > 1 else status}")
    return ", ".join(parts)


def to_json(facts: Facts, checks: tuple[Check, ...]) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {"facts": model.to_json(facts), "checks": [dataclasses.asdict(one) for one in checks]}
