"""Throughput, latency under load, goodput: what `invoke bench` measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from onecard.report_page import numbers
from onecard.report_page.blocks import (
    Block,
    Column,
    Missing,
    Paragraph,
    Plot,
    Section,
    Table,
    Tone,
    Verdict,
)
from onecard.report_page.chart import Chart, Series
from onecard.report_page.evidence import Event, Evidence
from onecard.report_page.numbers import Kind
from onecard.report_page.provenance import source
from onecard.runs import Run

CHECKS = ("by both", "tunnel or box")
PERCENTILES = ("p50", "p95", "p99")


def section(evidence: Evidence) -> Section:
    """Return curves and tables, or which command fills them."""
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
    blocks += [_throughput(loads, run), _latencies(loads)]
    blocks += _agreement(run)
    blocks += _tunnel(run)
    return Section("load", "Under load", tuple(blocks))


def sweep(run: Run) -> Sequence[Event]:
    """Return the loads of the sweep itself; those of the two checks follow it in the record."""
    loads = run.all("load")
    ends = (place for place, load in enumerate(loads) if str(load.get("name")).endswith(CHECKS))
    return loads[: next(ends, len(loads))]


def shape(load: Event) -> str:
    """Return what a load's requests look like: `512 + 64 tokens, 1 picture`."""
    pictures = load.get("images") or 0
    words = (
        f"{numbers.count(load.get('input_tokens'))} + "
        f"{numbers.count(load.get('output_tokens'))} tokens"
    )
    return f"{words}, {pictures} picture{'s' if pictures > 1 else ''}" if pictures else words


def offered(load: Event) -> str:
    """Return how the requests were sent: `4 at once`, `2 a second`."""
    words = []
    if load.get("rate") is not None:
        words.append(f"{load['rate']:g} a second")
    if load.get("concurrency") is not None:
        words.append(f"{load['concurrency']} at once")
    return ", ".join(words) or "all at once"


def _figure(load: Event, name: str, percentile: str) -> float | None:
    found: Any = (load.get(name) or {}).get(percentile)
    return None if found is None else float(found)


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
            if (latency := _figure(load, "latency_s", "p95")) is not None
        ]
        if len(points) > 1:
            rising = all(one[0] <= other[0] for one, other in pairwise(points))
            found.append(replace(_series(name, points), joined=rising))
    return tuple(found)


def _series(name: str, points: Sequence[tuple[float, float]]) -> Series:
    return Series(name, tuple(x for x, _ in points), tuple(y for _, y in points))


def _curves(loads: Sequence[Event]) -> Iterator[Block]:
    """Draw a sweep's latency over its throughput, and its percentiles over the load."""
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
            continue  # a load that was repeated is no sweep
        if by_concurrency and levels and levels[0][1].get("concurrency") is None:
            continue  # the tables hold the rates too; a plot for each would say the same again
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
            if (value := _figure(load, figure, percentile)) is not None
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


def words(drawn: Sequence[Series], unit: str) -> str:
    """Return lines of a plot as a sentence each."""
    return " ".join(
        f"{line.name}: "
        + ", ".join(
            f"{numbers.three_digits(y)} at {numbers.three_digits(x)} {unit}"
            for x, y in zip(line.x, line.y, strict=True)
        )
        + "."
        for line in drawn
    )


def _level(load: Event) -> float | None:
    level = load.get("concurrency")
    level = load.get("rate") if level is None else level
    return None if level is None else float(level)


def _sweeps(loads: Sequence[Event]) -> dict[str, list[Event]]:
    """Return loads that differ in nothing but how many requests there are at a time."""
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


def _throughput(loads: Sequence[Event], run: Run) -> Table:
    ways = list(dict.fromkeys(map(_way, loads)))
    several = len(ways) > 1
    return Table(
        "load-table",
        "Throughput and goodput of each load",
        (
            Column("offered", "sent"),
            Column("shape", "each request"),
            *([Column("way", "by")] if several else []),
            Column("completed", "answered"),
            Column("requests_per_s", "requests/s", Kind.RATE),
            Column("prompt_tokens_per_s", "prompt tokens/s", Kind.RATE),
            Column("generation_tokens_per_s", "generated tokens/s", Kind.RATE),
            Column("goodput_per_s", "goodput/s", Kind.RATE),
            Column("kv_use_peak", "KV used", Kind.SHARE),
            Column("preemptions", "pre-empted", Kind.COUNT),
        ),
        tuple(
            (
                offered(load),
                shape(load),
                *([_way(load)] if several else []),
                _completed(load),
                load.get("requests_per_s"),
                load.get("prompt_tokens_per_s"),
                load.get("generation_tokens_per_s"),
                load.get("goodput_per_s"),
                load.get("kv_use_peak"),
                load.get("preemptions"),
            )
            for load in loads
        ),
        " ".join(
            filter(None, (_bounds(run), "" if several else f"Sent by {ways[0]}.", source(run)))
        ),
    )


def _way(load: Event) -> str:
    """Return what sent a load, and from where."""
    where = {"box": "on the box", "tunnel": "through the tunnel"}.get(str(load.get("via")), "")
    return f"{load.get('generator') or 'onecard'} {where}".strip()


def _completed(load: Event) -> Verdict:
    asked, done = load.get("requests") or 0, load.get("completed") or 0
    good = not load.get("failed") and done >= asked
    return Verdict(f"{done} of {asked}", Tone.GOOD if good else Tone.BAD)


def _bounds(run: Run) -> str:
    bounds = (run.begin.get("parameters") or {}).get("bounds") or {}
    names = {"ttft_ms": "first token", "tpot_ms": "each output token", "e2el_ms": "whole answer"}
    words = [f"{name} within {bounds[key]:,g} ms" for key, name in names.items() if bounds.get(key)]
    return f"Goodput counts requests with {', '.join(words)}." if words else ""


def _latencies(loads: Sequence[Event]) -> Table:
    figures = (("ttft_s", "TTFT"), ("tpot_s", "token"), ("latency_s", "whole"))
    return Table(
        "load-latency-table",
        "Latency of each load",
        (
            Column("offered", "sent"),
            Column("shape", "each request"),
            *(
                Column(f"{key}_{percentile}", f"{title} {percentile}", Kind.SECONDS, key)
                for key, title in figures
                for percentile in PERCENTILES
            ),
        ),
        tuple(
            (
                offered(load),
                shape(load),
                *(
                    _figure(load, key, percentile)
                    for key, _ in figures
                    for percentile in PERCENTILES
                ),
            )
            for load in loads
        ),
        "TTFT: time to the first token. Token: time per output token after the "
        "first. Whole: to the end of the answer.",
    )


def _agreement(run: Run) -> Iterator[Block]:
    tones = {"agree": Tone.GOOD, "differ": Tone.BAD}
    for number, found in enumerate(run.all("agreement"), start=1):
        rows = []
        for row in found.get("rows") or ():
            name, verdict = str(row.get("figure")), str(row.get("verdict"))
            rate = "/s" in name
            values = (row.get(key) for key in ("vllm", "onecard"))
            rows.append(
                (
                    name if rate else f"{name}, ms",
                    *(value if rate or value is None else value * 1000 for value in values),
                    row.get("ratio"),
                    row.get("low"),
                    row.get("high"),
                    Verdict(verdict, tones.get(verdict, Tone.QUIET)),
                )
            )
        if not rows:
            continue
        yield Table(
            f"agreement-{number}",
            f"The same load by both generators: {found.get('load')}",
            (
                Column("figure", "figure"),
                Column("vllm", "vllm bench serve", Kind.RATE, "generators"),
                Column("onecard", "onecard", Kind.RATE, "generators"),
                Column("ratio", "ratio", Kind.RATIO, "ratio"),
                Column("low", "95 % from", Kind.RATIO, "ratio"),
                Column("high", "to", Kind.RATIO, "ratio"),
                Column("verdict", ""),
            ),
            tuple(rows),
            f"{found.get('repeats') or 'Several'} loads by each in turn. A figure agrees when the "
            "whole interval of its ratio lies within 0.8 to 1.25; where it is not shown, the loads "
            "vary too much to tell.",
        )


def _tunnel(run: Run) -> Iterator[Block]:
    found = run.last("tunnel")
    if not found:
        return
    yield Table(
        "tunnel-table",
        "The same request through the tunnel and on the box",
        (
            Column("way", "way"),
            Column("latency_p50_s", "latency p50", Kind.SECONDS, "latency"),
            Column("ttft_p50_s", "TTFT p50", Kind.SECONDS, "latency"),
        ),
        (
            ("through the tunnel", found.get("tunnel_p50_s"), found.get("tunnel_ttft_p50_s")),
            ("on the box", found.get("box_p50_s"), found.get("box_ttft_p50_s")),
        ),
        f"{found.get('requests')} requests, in turn. {_added(found.get('added_p50_s'))}",
    )


def _added(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds <= 0:
        return "What the tunnel adds is less than the noise between requests."
    return f"The tunnel adds {numbers.seconds(seconds)} to the median."
