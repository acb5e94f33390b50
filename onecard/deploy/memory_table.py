"""A server's memory as planned and as vLLM logged it, in a table and in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from onecard.fit import Plan, compare
from onecard.startup_log import MemoryFacts


def measured(facts: MemoryFacts) -> dict[str, float]:
    """Return what the log reported, under the names that `fit.compare` knows."""
    values = {
        "weights_gib": facts.weights_gib,
        "kv_available_gib": facts.kv_available_gib,
        "graphs_gib": facts.graphs_gib,
        "block_tokens": facts.block_tokens,
        "tokens": facts.kv_tokens,
        "concurrency": facts.kv_concurrency,
    }
    return {name: float(value) for name, value in values.items() if value is not None}


def print_memory(
    facts: MemoryFacts,
    cards: Sequence[dict[str, int]],
    planned: Plan | None,
    now_known: Plan | None,
    console: Console,
) -> None:
    """Print the table, and the KV cache's size in words.

    cards: for each card {"index", "used_mib" (the most seen), "total_mib"}.
    planned: what the start was planned as; now_known: the same with the KV memory that was
        logged. None where the model or the card is not modelled.
    """
    rows = _log_rows(facts, planned) + _card_rows(cards)
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("memory")
    for name in ("planned", "logged", "difference"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in meaning(facts, now_known):
        console.print(line, soft_wrap=True)


def meaning(facts: MemoryFacts, planned: Plan | None) -> list[str]:
    """Return what the logged KV cache size says, in sentences.

    planned: with the KV memory that was logged; None where the model is not modelled.
    """
    if facts.kv_tokens is None:
        return []
    lines = []
    if planned is not None and planned.engine.logs_share and planned.layout.groups > 1:
        lines.append(
            f"vLLM logged {facts.kv_tokens:,} tokens: its {planned.blocks:,} blocks divided by the "
            f"{planned.layout.groups} groups of layers, which is no limit on anything."
        )
        lines.append(
            f"In truth {planned.concurrency:.2f} requests of {planned.ctx:,} tokens at once."
        )
    elif facts.kv_concurrency is not None and facts.kv_request_tokens is not None:
        lines.append(
            f"KV cache of {facts.kv_tokens:,} tokens: {facts.kv_concurrency:.2f} requests of "
            f"{facts.kv_request_tokens:,} tokens at once."
        )
    if planned is not None:
        longest = min(planned.max_request_tokens, planned.shape.max_context)
        lines.append(
            f"One request alone could be {longest:,} tokens long (ctx {planned.ctx:,} is what the "
            "server lets through)."
        )
    return lines


def _log_rows(facts: MemoryFacts, planned: Plan | None) -> list[tuple[str, str, str, str]]:
    logged = measured(facts)
    if planned is not None:
        return [
            (
                row.figure,
                _figure(row.planned, row.unit),
                _figure(row.logged, row.unit),
                _figure(row.difference, row.unit, signed=True),
            )
            for row in compare(planned, logged)
        ]
    names = {"weights_gib": "weights", "kv_available_gib": "KV memory", "graphs_gib": "CUDA graphs"}
    return [
        (name, "", _figure(logged[key], "GiB"), "") for key, name in names.items() if key in logged
    ]


def _card_rows(cards: Sequence[dict[str, int]]) -> list[tuple[str, str, str, str]]:
    rows = []
    for card in cards:
        name = f"card {card['index']}" if len(cards) > 1 else "card"
        used, total = card["used_mib"] / 1024, card["total_mib"] / 1024
        rows.append((f"{name}: most used", "", f"{used:.2f} GiB", ""))
        rows.append((f"{name}: headroom", "", f"{total - used:.2f} GiB", f"of {total:.2f} GiB"))
    return rows


def _figure(value: float, unit: str, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if unit == "GiB":
        return f"{value:{sign}.2f} GiB"
    if unit == "x":
        return f"{value:{sign}.2f}x"
    return f"{value:{sign},.0f} {unit}".rstrip()
