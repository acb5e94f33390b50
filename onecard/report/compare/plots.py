"""Plots with the curves of both sides."""

from __future__ import annotations

from dataclasses import replace

from onecard.report.blocks.blocks import Plot
from onecard.report.blocks.chart import Chart
from onecard.report.evidence.evidence import Evidence
from onecard.report.sections import grounding, load, load_names


def grounding_plot(a: Evidence, b: Evidence) -> Plot | None:
    """Return both grounding curves; None where a side has none."""
    curves = [
        (run.last("curve") or {}).get("points") or ()
        for side in (a, b)
        if (run := side.latest("stress", "curve"))
    ]
    usable = [grounding.measured(each) for each in curves]
    if len(usable) < 2 or min(map(len, usable)) < 2:
        return None
    lines = tuple(grounding.line(name, each) for name, each in zip(("A", "B"), usable, strict=True))
    words = " ".join(
        f"{each.name}: "
        + ", ".join(f"{y * 100:.0f} % at {x:,.0f}" for x, y in zip(each.x, each.y, strict=True))
        + "."
        for each in lines
    )
    ticks = grounding.ticks([*usable[0], *usable[1]])
    return Plot(
        "grounding-curve",
        "Picture questions answered right, by length of the request",
        f"Lines with 95 % confidence intervals. {words}",
        Chart(grounding.X_LABEL, "answered right", lines, ticks, x_log=True, y_share=True),
    )


def load_plot(a: Evidence, b: Evidence) -> Plot | None:
    """Return latency over throughput of the first kind of load that both sides have."""
    sides = [
        load.lines(load.sweep(run)) for side in (a, b) if (run := side.latest("bench", "load"))
    ]
    if len(sides) < 2:
        return None
    names = [line.name for line in sides[0] if line.name in {other.name for other in sides[1]}]
    if not names:
        return None
    lines = tuple(
        replace(line, name=letter)
        for letter, side in zip(("A", "B"), sides, strict=True)
        for line in side
        if line.name == names[0]
    )
    return Plot(
        "load-curve",
        f"Latency against throughput: {names[0]}",
        "The 95th percentile of latency over generated tokens per second. "
        + load_names.words(lines, "tokens/s"),
        Chart("generated tokens per second", "latency p95, seconds", lines),
    )
