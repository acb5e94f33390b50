"""Prints the table of plans, and the explanation of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from onecard.fit.explain import explain
from onecard.fit.plan import TABLE, Plan


def table(make: Callable[[int], Plan], ctxs: Sequence[int] = TABLE) -> tuple[Plan, ...]:
    """Return the plan for each context length; `make` plans one."""
    return tuple(make(ctx) for ctx in ctxs)


def print_plans(plans: Sequence[Plan], console: Console, rules: str = "") -> None:
    """Print the plans of one model on one card as a table. rules: of which vLLM, and from where."""
    if not plans:
        return
    first = plans[0]
    console.print(f"[bold]{first.model}[/bold] on {_cards(first)}", highlight=False)
    console.print(f"rules of          {rules or first.engine.name}", highlight=False)
    for line in _summary(first):
        console.print(line, highlight=False)
    grid = Table()
    logged = ("vLLM logs", "before 0.20.1")
    for heading in ("ctx", "fits", "at once", "blocks a request", *logged):
        grid.add_column(heading, justify="right")
    for plan in plans:
        grid.add_row(
            f"{plan.ctx:,}",
            "yes" if plan.fits else "no",
            f"{plan.concurrency:.2f}x" if plan.fits else "-",
            f"{plan.request_blocks:,}",
            f"{plan.logged_tokens:,}",
            f"{plan.old_logged_tokens:,}",
        )
    console.print(grid)
    for reason in dict.fromkeys(
        f"ctx {plan.ctx:,}: {reason}" for plan in plans for reason in plan.reasons
    ):
        console.print(reason, highlight=False)


def print_explanation(plan: Plan, console: Console) -> None:
    """Print each figure with its formula and source."""
    grid = Table("figure", "formula", "source", title=f"ctx {plan.ctx:,}")
    for line in explain(plan):
        grid.add_row(line.figure, line.formula, line.source)
    console.print(grid)


def _cards(plan: Plan) -> str:
    return f"{plan.tp} x {plan.gpu.name}" if plan.tp > 1 else plan.gpu.name


def _summary(plan: Plan) -> list[str]:
    available = f"{plan.kv_available_gib:.2f} GiB"
    if plan.kv_available_gib <= 0:
        available = f"none: {-plan.kv_available_gib:.2f} GiB are missing (an estimate)"
    elif plan.estimated:
        available += f" (an estimate: {plan.kv_low_gib:.1f} to {plan.kv_high_gib:.1f})"
    seqs = f"{plan.max_num_seqs:,} at most"
    if plan.fewer:
        seqs += f" (vLLM's default, {plan.gpu.default_max_num_seqs:,}, does not start here)"
    return [
        f"weights           {plan.weights_gib:.2f} GiB",
        f"runtime overhead  {plan.overhead_gib:.2f} GiB (an estimate)",
        f"KV memory         {available}",
        f"blocks            {plan.blocks:,} of {plan.block_tokens} tokens",
        f"requests at once  {seqs}",
        f"bytes a token     {plan.bytes_per_token:,}",
        f"largest request   {plan.max_request_tokens:,} tokens",
        f"largest ctx       {plan.max_ctx:,} tokens",
    ]
