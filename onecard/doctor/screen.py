"""Facts and checks as one screen, and as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onecard.doctor.check import Check
from onecard.doctor.facts_screen import rows
from onecard.facts import model
from onecard.facts.model import Facts

_STYLES = {"ok": "green", "warning": "yellow", "blocker": "bold red"}
_WORST_FIRST = ("blocker", "warning", "ok")


def render_facts(facts: Facts, console: Console) -> None:
    """Print the facts, a subject each; long lines are continued below their subject."""
    table = _table(10)
    for subject, text in rows(facts):
        table.add_row(Text(subject, style="bold"), Text(text))
    console.print(table)


def render_checks(facts: Facts, checks: tuple[Check, ...], console: Console) -> None:
    """Print what the box is, what is wrong with it, each with its fix, and what is in order."""
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
    return ", ".join(
        (
            facts.os.name or "unknown system",
            f"kernel {facts.kernel.release}",
            f"{facts.memory.cpus} CPUs",
            f"{facts.memory.total_gib:.0f} GiB memory",
            cards or "no NVIDIA card",
        )
    )


def counted(names: Sequence[str]) -> str:
    """Return cards in a few words, such as `2 x NVIDIA H100 80GB HBM3`; empty for none."""
    return ", ".join(f"{count} x {name}" for name, count in Counter(names).items())


def _verdict(checks: tuple[Check, ...]) -> str:
    counts = {status: sum(one.status == status for one in checks) for status in _WORST_FIRST}
    told = [f"{counts['ok']} of {len(checks)} checks ok"]
    for status, word in (("warning", "warnings"), ("blocker", "blockers")):
        if counts[status]:
            told.append(f"{counts[status]} {word if counts[status] > 1 else status}")
    return ", ".join(told)


def to_json(facts: Facts, checks: tuple[Check, ...]) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {"facts": model.to_json(facts), "checks": [dataclasses.asdict(one) for one in checks]}
