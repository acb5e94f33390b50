"""The table of a scale run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from onecard.console.whole_table import figure_table, print_whole
from onecard.smoke.smoke_table import duration


def print_scale(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Print a row for each context; below it, why one was not served or not answered."""
    headings = ("ctx", "server", "start", "at once", "steady", "smoke", "request answered", "")
    table = figure_table(*headings, left=(1, 7))
    for row in rows:
        table.add_row(*_cells(row))
    print_whole(table, console)
    for row in rows:
        if why := trouble(row):
            console.print(f"{row['ctx']:,}: {why}", markup=False, highlight=False)


def trouble(row: dict[str, Any]) -> str:
    """Return why a context was not served, or its long request not answered; empty otherwise."""
    if row["configured"] != "yes":
        return str(row["reason"])
    long = row.get("long_request") or {}
    return str(long.get("error", ""))


def _cells(row: dict[str, Any]) -> tuple[str | Text, ...]:
    ctx = f"{row['ctx']:,}"
    if row["configured"] != "yes":
        word = {"no": "failed", "refused": "refused"}.get(row["configured"], row["configured"])
        return (ctx, Text(word, style="bold red"), *["-"] * 5, "")
    smoke = Text(
        f"{row['smoke_passed']}/{row['smoke_cases']}",
        style="green" if row["smoke_ok"] else "bold red",
    )
    long = row.get("long_request") or {}
    answered, right = Text("none", style="bold red"), Text("")
    if long.get("answered"):
        answered = Text(f"{long['prompt_tokens']:,} in {duration(long['latency_s'])}")
        right = Text("wrong", style="bold red")
        if long.get("right"):
            right = Text("right", style="green")
    at_once = row.get("kv_concurrency")
    return (
        ctx,
        Text("yes", style="green"),
        duration(row.get("answered_s")),
        "-" if at_once is None else f"{at_once:.2f}x",
        duration(row.get("steady_p50_s")),
        smoke,
        answered,
        right,
    )
