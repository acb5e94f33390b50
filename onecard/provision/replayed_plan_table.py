"""Prints the plan for replayed facts."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onecard.provision.replayed_plan import ReplayedPlan
from onecard.resources.skipped import Skipped

_LISTED = "listed, not compared: what the box has of these is not part of the facts"


def print_replayed_plan(plan: ReplayedPlan, console: Console) -> None:
    """Print the driver's plan, what stands against the run, and each role's resources."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(width=8, no_wrap=True)
    table.add_column(overflow="fold")
    if plan.driver is not None:
        reboot = "; needs a reboot" if plan.driver.reboot else ""
        table.add_row("driver", Text(f"{plan.driver.action}: {plan.driver.reason}{reboot}"))
    for check in plan.checks:
        if check.name != "driver" and check.status != "unknown":
            table.add_row(check.status, Text(f"{check.name}: {check.message}"))
            table.add_row("", Text(f"fix: {check.fix}", style="italic"))
    if unknown := [check.name for check in plan.checks if check.status == "unknown"]:
        table.add_row("unknown", Text(f"not in the facts, so not checked: {', '.join(unknown)}"))
    for role in plan.roles:
        if role.waits:
            table.add_row(role.name, "waits for the driver")
        for index, resource in enumerate(role.resources):
            skipped = f" skipped: {resource.why}" if isinstance(resource, Skipped) else ""
            table.add_row("" if index else role.name, Text(resource.name + skipped))
    console.print(table)
    if plan.roles:
        console.print(Text(_LISTED), highlight=False)
