"""Facts and checks as one screen, and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onecard.doctor.check import Check
from onecard.facts import model
from onecard.facts.model import Facts

_STYLES = {"ok": "green", "warning": "yellow", "blocker": "bold red"}


def render(facts: Facts, checks: tuple[Check, ...], console: Console) -> None:
    """Print at most 50 lines at 100 columns: four of facts, the checks, a line of fix for each."""
    for line in _summary(facts):
        console.print(Text(line), no_wrap=True, overflow="ellipsis", highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("status", width=7)
    table.add_column("name", width=14)
    table.add_column("message", no_wrap=True, overflow="ellipsis")
    for check in checks:
        status = Text(check.status, style=_STYLES[check.status])
        table.add_row(status, check.name, Text(check.message))
    console.print(table)
    for check in [one for one in checks if one.status != "ok"][:12]:
        fix = Text(f"{check.name}: {check.fix}")
        console.print(fix, no_wrap=True, overflow="ellipsis", highlight=False)


def _summary(facts: Facts) -> list[str]:
    driver = facts.driver
    lines = [
        f"{facts.os.name or 'unknown'}, kernel {facts.kernel.release}, {facts.kernel.arch}",
        f"{facts.memory.cpus} CPUs, {facts.memory.total_gib:.0f} GiB memory, "
        f"Python {facts.python.version or 'none'}",
    ]
    for gpu in facts.gpus[:8]:
        used = f"{gpu.memory_used_mib} of {gpu.memory_total_mib} MiB used"
        lines.append(f"GPU {gpu.index} {gpu.name}, {used}, capability {gpu.capability}")
    if driver.version:
        lines.append(f"driver {driver.version}, CUDA {driver.cuda}, installed by {driver.route}")
    return lines


def to_json(facts: Facts, checks: tuple[Check, ...]) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {"facts": model.to_json(facts), "checks": [dataclasses.asdict(one) for one in checks]}
