"""The tables of the load section: throughput, latencies, agreement, tunnel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import (
    Block,
    Column,
    Table,
    Tone,
    Verdict,
)
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event
from onecard.report.evidence.provenance import source
from onecard.report.sections.load_names import PERCENTILES, figure_of, offered, shape


def throughput_table(loads: Sequence[Event], run: Run) -> Table:
    """Return the throughput and goodput of each load."""
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
    """Return which generator sent a load, and from where."""
    where = {"box": "on the box", "tunnel": "through the tunnel"}.get(str(load.get("via")), "")
    return f"{load.get('generator') or 'onecard'} {where}".strip()


def _completed(load: Event) -> Verdict:
    sent, done = load.get("requests") or 0, load.get("completed") or 0
    complete = not load.get("failed") and done >= sent
    return Verdict(f"{done} of {sent}", Tone.GOOD if complete else Tone.BAD)


def _bounds(run: Run) -> str:
    bounds = (run.begin.get("parameters") or {}).get("bounds") or {}
    names = {"ttft_ms": "first token", "tpot_ms": "each output token", "e2el_ms": "whole answer"}
    words = [f"{name} within {bounds[key]:,g} ms" for key, name in names.items() if bounds.get(key)]
    return f"Goodput counts requests with {', '.join(words)}." if words else ""


def latencies_table(loads: Sequence[Event]) -> Table:
    """Return the latency percentiles of each load."""
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
                    figure_of(load, key, percentile)
                    for key, _ in figures
                    for percentile in PERCENTILES
                ),
            )
            for load in loads
        ),
        "TTFT: time to the first token. Token: time per output token after the "
        "first. Whole: to the end of the answer.",
    )


def agreement_table(run: Run) -> Iterator[Block]:
    """Yield a table for each comparison of the two generators."""
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
            "vary too much to decide.",
        )


def tunnel_table(run: Run) -> Iterator[Block]:
    """Yield the latency through the tunnel and on the box; nothing where it was not measured."""
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
