"""The result of a soak on a terminal."""

from __future__ import annotations

from rich.console import Console

from onecard.console.whole_table import figure_table
from onecard.measure.soak.verdict import SoakResult
from onecard.smoke.smoke_table import duration
from onecard.statistics.trend import Trend


def print_soak(found: SoakResult, console: Console) -> None:
    """Print counts, latencies, memory and the KV cache, then what went wrong, then the verdict."""
    values = found.values()
    table = figure_table("", "before", "most", "after", "change, 95 %", gap=2)
    samples = [found.before, *found.samples]
    process = [each.process_gib for each in samples if each.process_gib is not None]
    cards = [sum(each.card_mib) / 1024 for each in samples if each.card_mib]
    for name, levels, growth in (
        ("processes, GiB", process, found.process_growth),
        ("cards, GiB", cards, found.card_growth),
    ):
        if levels:
            shown = (f"{each:.2f}" for each in (levels[0], max(levels), levels[-1]))
            table.add_row(name, *shown, _change(growth))
    kv = (values["kv_use_before"], values["kv_use_peak"], values["kv_use_after"])
    table.add_row("KV cache, %", *("-" if each is None else f"{100 * each:.1f}" for each in kv), "")
    console.print(table)
    for name, key in (("TTFT", "ttft_s"), ("whole answer", "latency_s")):
        spread = ", ".join(f"{each} {duration(values[key][each])}" for each in values[key])
        console.print(f"{name}: {spread}")
    drift = found.latency_drift
    if drift is not None:
        finding = "no change shown" if drift.low <= 1 <= drift.high else "changed"
        console.print(
            f"latency at the end against the beginning: x {drift.change:.2f} "
            f"(95 %: {drift.low:.2f} to {drift.high:.2f}), {finding}",
            soft_wrap=True,
        )
    for error in values["errors"]:
        console.print(error, markup=False, style="red", soft_wrap=True)
    style = "bold red" if found.faults else "bold"
    console.print(f"\n{found.line}", markup=False, style=style, soft_wrap=True)


def _change(growth: Trend | None) -> str:
    """Return the change after the first third, in which caches fill."""
    if growth is None:
        return "-"
    return f"{growth.change:+.2f} ({growth.low:+.2f} to {growth.high:+.2f})"
