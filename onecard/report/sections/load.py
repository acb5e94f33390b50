"""Throughput, latency under load and goodput, measured by `invoke bench`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from onecard.records import Run
from onecard.report.blocks.blocks import (
    Block,
    Missing,
    Paragraph,
    Plot,
    Section,
)
from onecard.report.blocks.chart import Chart, Series
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.sections.load_names import PERCENTILES, figure_of, shape, words
from onecard.report.sections.load_tables import (
    agreement_table,
    latencies_table,
    throughput_table,
    tunnel_table,
)

CHECKS = ("by both", "tunnel or box")


def section(evidence: Evidence) -> Section:
    """Return curves and tables, or the command that measures them."""
    run = evidence.latest("bench", "load")
    if run is None:
        nothing = Missing(
            "Throughput and latency under load have not been measured.",
            f"invoke bench --host {evidence.host}",
        )
        return Section("load", "Under load", (nothing,))
    loads = sweep(run)
    blocks: list[Block] = []
    if any(load.get("via") == "tunnel" for load in loads):
        blocks.append(
            Paragraph(
                "Loads marked “tunnel” were sent from here through SSH, the others on the box."
            )
        )
    blocks += _curves(loads)
    blocks += [throughput_table(loads, run), latencies_table(loads)]
    blocks += agreement_table(run)
    blocks += tunnel_table(run)
    return Section("load", "Under load", tuple(blocks))


def sweep(run: Run) -> Sequence[Event]:
    """Return the loads of the sweep itself; those of the two checks follow it in the record."""
    loads = run.all("load")
    ends = (place for place, load in enumerate(loads) if str(load.get("name")).endswith(CHECKS))
    return loads[: next(ends, len(loads))]


def lines(loads: Sequence[Event]) -> tuple[Series, ...]:
    """Return the 95th percentile of latency over throughput, a line for each sweep.

    Its points stand in the order of the load. Where the throughput falls again on the way, a line
    would run back and forth, so there is none.
    """
    found = []
    for name, swept in _sweeps(loads).items():
        points = [
            (float(load["generation_tokens_per_s"]), latency)
            for load in sorted(swept, key=lambda load: _level(load) or 0.0)
            if load.get("generation_tokens_per_s")
            if (latency := figure_of(load, "latency_s", "p95")) is not None
        ]
        if len(points) > 1:
            rising = all(one[0] <= other[0] for one, other in pairwise(points))
            found.append(replace(_series(name, points), joined=rising))
    return tuple(found)


def _series(name: str, points: Sequence[tuple[float, float]]) -> Series:
    return Series(name, tuple(x for x, _ in points), tuple(y for _, y in points))


def _curves(loads: Sequence[Event]) -> Iterator[Block]:
    """Yield plots of latency over throughput, and of percentiles over the load."""
    sweeps = _sweeps(loads)
    drawn = lines(loads)
    if drawn:
        yield Plot(
            "load-curve",
            "Latency against throughput",
            "The 95th percentile of latency over generated tokens per second. "
            + words(drawn, "tokens/s"),
            Chart("generated tokens per second", "latency p95, seconds", drawn),
        )
    by_concurrency = any(load.get("concurrency") is not None for load in loads)
    number = 0
    for name, found in sweeps.items():
        levels = sorted(
            ((level, load) for load in found if (level := _level(load)) is not None),
            key=lambda pair: pair[0],
        )
        if len({level for level, _ in levels}) < len(levels):
            continue  # a load that was repeated is not a sweep
        if by_concurrency and levels and levels[0][1].get("concurrency") is None:
            continue  # the tables hold the rates too; a plot for each would repeat them
        number += 1
        for key, figure, title in (
            ("ttft", "ttft_s", "Time to first token"),
            ("tpot", "tpot_s", "Time per output token"),
        ):
            yield from _percentiles(f"{key}-{number}", figure, f"{title}: {name}", levels)


def _percentiles(
    key: str, figure: str, title: str, levels: Sequence[tuple[float, Event]]
) -> Iterator[Block]:
    drawn = []
    for percentile in PERCENTILES:
        points = [
            (level, value * 1000)
            for level, load in levels
            if (value := figure_of(load, figure, percentile)) is not None
        ]
        if len(points) > 1:
            drawn.append(_series(percentile, points))
    if not drawn:
        return
    by_rate = levels[0][1].get("concurrency") is None
    yield Plot(
        f"load-{key}",
        title,
        f"Lines of {', '.join(line.name for line in drawn)} in milliseconds. "
        + words(drawn, "requests/s" if by_rate else "at once"),
        Chart(
            "requests per second offered" if by_rate else "requests at once",
            "milliseconds",
            tuple(drawn),
            tuple((level, f"{level:g}") for level, _ in levels),
            x_log=True,
        ),
    )


def _level(load: Event) -> float | None:
    level = load.get("concurrency")
    level = load.get("rate") if level is None else level
    return None if level is None else float(level)


def _sweeps(loads: Sequence[Event]) -> dict[str, list[Event]]:
    """Return the loads by sweep: those of a sweep differ only in rate or concurrency."""
    sweeps: dict[str, list[Event]] = {}
    for load in loads:
        kind = "at a rate" if load.get("concurrency") is None else "at once"
        name = f"{shape(load)}, {kind}"
        if load.get("via") == "tunnel":
            name += ", tunnel"
        if str(load.get("generator", "")).startswith("onecard"):
            name += ", onecard"
        sweeps.setdefault(name, []).append(load)
    return sweeps
