"""Prints which cards and flags serve a demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from onecard.fit.demand.search import Choice, Demand
from onecard.fit.server import Server

_ORDER: Final = (
    "ordered by the memory of all cards, for lack of prices; each holds the requests even at the "
    "low end of its estimate"
)


def print_choices(
    server: Server, demand: Demand, found: Sequence[Choice], console: Console
) -> None:
    """Print which cards and flags serve a demand, least memory first."""
    load = f"{demand.requests:,} requests of {demand.tokens:,} tokens at once"
    console.print(f"[bold]{server.model}[/bold]: {load}", highlight=False)
    console.print(f"rules of {server.rules}", highlight=False)
    if not found:
        console.print("none of the cards that were tried does", highlight=False)
        return
    grid = Table()
    grid.add_column("cards", no_wrap=True)
    for heading in ("memory", "util", "KV dtype", "tp", "at once", "surely"):
        grid.add_column(heading, justify="right")
    for choice in found:
        plan = choice.plan
        grid.add_row(
            f"{plan.tp} x {plan.gpu.name}",
            f"{choice.memory_gib:.0f} GiB",
            f"{plan.util:.2f}",
            choice.kv_dtype,
            str(plan.tp),
            f"{choice.at_once:.1f}x",
            "yes" if plan.surely_fits else "no",
        )
    console.print(grid)
    console.print(_ORDER, highlight=False)
    command = f"the first: invoke deploy --model {server.model} {' '.join(found[0].flags)}"
    console.print(command, highlight=False, soft_wrap=True)
