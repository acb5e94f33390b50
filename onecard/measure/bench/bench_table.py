"""The result of a bench on a terminal: the loads, both generators side by side, the tunnel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from onecard.console.whole_table import figure_table, print_whole
from onecard.measure.bench.agreement import DIFFER, Agreement
from onecard.records.price import LoadCost, Price, RepeatedCost
from onecard.smoke.smoke_table import duration


def print_loads(loads: Sequence[dict[str, Any]], console: Console) -> None:
    """Print a row for each load of the sweep."""
    headings = ("req/s", "tok/s", "TTFT", "p99", "TPOT", "latency", "p99", "good/s")
    table = figure_table("load", *headings)
    for load in loads:
        ttft, latency = load["ttft_s"], load["latency_s"]
        table.add_row(
            load["name"],
            _number(load["requests_per_s"]),
            _number(load["generation_tokens_per_s"]),
            duration(ttft["p50"]),
            duration(ttft["p99"]),
            _milliseconds(load["tpot_s"]["p50"]),
            duration(latency["p50"]),
            duration(latency["p99"]),
            _number(load["goodput_per_s"]),
        )
    print_whole(table, console)
    preempted = sum(load["preemptions"] or 0 for load in loads)
    failed = sum(load["failed"] for load in loads)
    fullest = max(load["kv_use_peak"] or 0.0 for load in loads)
    console.print(
        f"on the box, by vllm bench serve; medians where no percentile is named\n"
        f"failed requests {failed}, preemptions {preempted:.0f}, KV cache at most "
        f"{100 * fullest:.0f} % in use"
    )


def print_agreement(found: Agreement, console: Console) -> None:
    """Print both generators' figures side by side, and the verdict."""
    table = figure_table("the same load by", "vllm bench serve", "onecard", "ratio", "95 %", "")
    for row in found.rows:
        scale, unit = (1000, " ms") if "p" in row.figure and "/" not in row.figure else (1, "")
        table.add_row(
            row.figure,
            f"{_number(scale * row.vllm)}{unit}",
            f"{_number(scale * row.onecard)}{unit}",
            f"{row.ratio:.2f}",
            f"{row.low:.2f} to {row.high:.2f}",
            row.verdict,
        )
    print_whole(table, console)
    console.print(found.finding, style="bold red" if found.verdict == DIFFER else "bold")


def print_tunnel(values: dict[str, Any], console: Console) -> None:
    """Print what the tunnel adds to a request."""
    if values["added_p50_s"] is None:
        console.print("one request at a time: none was answered, through the tunnel or on the box")
        return
    console.print(
        f"one request at a time: {duration(values['tunnel_p50_s'])} through the tunnel, "
        f"{duration(values['box_p50_s'])} on the box: the tunnel adds "
        f"{1000 * values['added_p50_s']:.1f} ms"
    )


def print_costs(
    costs: Sequence[LoadCost], repeated: RepeatedCost | None, price: Price, console: Console
) -> None:
    """Print what a million tokens cost under each load, and with intervals under the repeated one.

    repeated: None where fewer than two rounds had an answer.
    """
    table = figure_table(
        f"a million tokens, at {price.text(price.per_hour)}/h", "generated", "prompt + generated"
    )
    for cost in costs:
        table.add_row(cost.name, price.text(cost.generated), price.text(cost.all_tokens))
    print_whole(table, console)
    if repeated is not None:
        generated, together = repeated.generated, repeated.all_tokens
        console.print(
            f"{repeated.name}, {repeated.rounds} rounds: {price.text(generated.value)} generated "
            f"(95 %: {price.text(generated.low)} to {price.text(generated.high)}), "
            f"{price.text(together.value)} together ({price.text(together.low)} to "
            f"{price.text(together.high)})"
        )
    console.print("the price of generated tokens includes that of their prompts")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _milliseconds(seconds: float | None) -> str:
    """Return two significant digits of a short time: whole milliseconds are too coarse for it."""
    if seconds is None or seconds >= 0.1:
        return duration(seconds)
    return f"{1000 * seconds:.2g} ms"
