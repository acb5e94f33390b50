"""How long a start takes by phase, and how long a picture question takes."""

from __future__ import annotations

from collections.abc import Iterator

from onecard.report_page import numbers
from onecard.report_page.blocks import Block, Column, Missing, Plot, Section, Table
from onecard.report_page.chart import Bar, Part
from onecard.report_page.evidence import Event, Evidence
from onecard.report_page.numbers import Kind
from onecard.report_page.provenance import source

MOST_PARTS = 5


def section(evidence: Evidence) -> Section:
    """Return the tables, or which commands fill them."""
    blocks = [*_requests(evidence), *_start(evidence)]
    return Section("latency", "Latency", tuple(blocks))


def _requests(evidence: Evidence) -> Iterator[Block]:
    smoke = evidence.smoke
    if smoke is None:
        yield Missing("No picture question has been timed.", f"invoke smoke --host {evidence.host}")
        return
    summary = smoke.summary
    requests = len(summary.get("steady_s") or ())
    first_tokens = sorted(case["ttft_s"] for case in smoke.cases if case.get("ttft_s") is not None)
    rows: list[tuple[object, ...]] = [
        ("first request (warm-up)", 1, summary.get("warmup_s")),
        ("later requests, p50", requests, summary.get("steady_p50_s")),
        ("later requests, p95", requests, summary.get("steady_p95_s")),
    ]
    if first_tokens:
        middle = first_tokens[len(first_tokens) // 2]
        rows.append(("first token, p50 of the cases", len(first_tokens), middle))
    yield Table(
        "latency-table",
        "One picture question at a time",
        (
            Column("scenario", "scenario"),
            Column("measured", "measured", Kind.COUNT),
            Column("latency_s", "latency", Kind.SECONDS),
        ),
        tuple(rows),
        source(smoke.run),
    )


def _start(evidence: Evidence) -> Iterator[Block]:
    start = evidence.start
    if start is None:
        yield Missing("No start has been followed.", f"invoke deploy --host {evidence.host}")
        return
    starts = _starts(evidence)
    names = dict.fromkeys(str(phase["phase"]) for _, event in starts for phase in event["phases"])
    took = [
        {str(phase["phase"]): phase.get("seconds") for phase in event["phases"]}
        for _, event in starts
    ]
    total = ("first answer after", *(event.get("answered_s") for _, event in starts))
    yield Table(
        "start-table",
        "A start by phase",
        (
            Column("phase", "phase"),
            *(Column(f"at_{name}", f"at {name} tokens", Kind.TENTHS) for name, _ in starts),
        ),
        (*((name, *(each.get(name) for each in took)) for name in names), total),
        source(evidence.scale[0] if len(starts) > 1 and evidence.scale else start.run),
    )
    drawn = tuple((name, _parts(event["phases"], starts)) for name, event in starts)
    words = "; ".join(
        f"{name}: " + ", ".join(f"{part.name} {numbers.seconds(part.size)}" for part in parts)
        for name, parts in drawn
    )
    yield Plot(
        "start-bar",
        "Where the time of a start goes",
        f"Stacked bars: {words}.",
        Bar(drawn, "seconds"),
    )


def _starts(evidence: Evidence) -> list[tuple[str, Event]]:
    scale = evidence.scale
    rows = [row for row in scale[1] if row.get("phases")] if scale else []
    named = [(numbers.count(row.get("ctx")), row) for row in rows]
    start = evidence.start
    if len(named) > 1:
        return named
    return [(numbers.count(start.event.get("ctx")), start.event)] if start else named


def _parts(phases: list[Event], starts: list[tuple[str, Event]]) -> tuple[Part, ...]:
    """Return the phases that are long anywhere, and the rest as one part."""
    longest: dict[str, float] = {}
    for _, event in starts:
        for phase in event["phases"]:
            name = str(phase.get("phase"))
            longest[name] = max(longest.get(name, 0.0), phase.get("seconds") or 0.0)
    shown = sorted(longest, key=lambda name: -longest[name])[:MOST_PARTS]
    seconds = {str(phase.get("phase")): phase.get("seconds") or 0.0 for phase in phases}
    parts = [(name, seconds.get(name, 0.0)) for name in longest if name in shown]
    rest = sum(size for name, size in seconds.items() if name not in shown)
    parts += [("other", rest)] if rest >= 0.05 else []
    return tuple(Part(name, size, f"{size:.1f}", free=name == "other") for name, size in parts)
