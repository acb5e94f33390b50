"""The time of a start by phase, and the time of a picture question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import (
    Block,
    Column,
    Missing,
    Plot,
    Section,
    Table,
)
from onecard.report.blocks.chart import Bar, BarPart
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import source
from onecard.startup_log.budget import budget, savings
from onecard.statistics.percentile import percentile

MOST_PARTS = 5


def section(evidence: Evidence) -> Section:
    """Return the tables, or the commands that measure them."""
    blocks = [*_requests(evidence), *_start(evidence)]
    return Section("latency", "Latency", tuple(blocks))


def _requests(evidence: Evidence) -> Iterator[Block]:
    smoke = evidence.smoke
    if smoke is None:
        yield Missing("No picture question has been timed.", f"invoke smoke --host {evidence.host}")
        return
    summary = smoke.summary
    requests = len(summary.get("steady_s") or ())
    first_tokens = smoke.first_tokens
    rows: list[tuple[object, ...]] = [
        ("first request (warm-up)", 1, summary.get("warmup_s")),
        ("later requests, p50", requests, summary.get("steady_p50_s")),
        ("later requests, p95", requests, summary.get("steady_p95_s")),
    ]
    if first_tokens:
        rows.append(("their first token, p50", len(first_tokens), percentile(first_tokens, 50)))
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
        yield Missing("No start has been recorded.", f"invoke deploy --host {evidence.host}")
        return
    starts = _starts(evidence)
    took = [
        {
            part.phase: part.seconds
            for part in budget(_seconds(each.event), each.event.get("answered_s"))
        }
        for each in starts
    ]
    names = dict.fromkeys(name for each in took for name in each)
    total = ("together", *(each.event.get("answered_s") for each in starts))
    runs = {str(each.run.path): each.run for each in starts}
    yield Table(
        "start-table",
        "A start by phase",
        (
            Column("phase", "phase"),
            *(Column(f"at_{each.label}", each.heading, Kind.TENTHS) for each in starts),
        ),
        (*((name, *(each.get(name) for each in took)) for name in names), total),
        " ".join(source(run) for run in runs.values()),
    )
    drawn = tuple(
        (each.label, _parts(phases, took)) for each, phases in zip(starts, took, strict=True)
    )
    words = "; ".join(
        f"{name}: " + ", ".join(f"{part.name} {part.text} s" for part in parts)
        for name, parts in drawn
    )
    yield Plot(
        "start-bar",
        "Where the time of a start goes",
        f"Stacked bars: {words}.",
        Bar(drawn, "seconds"),
    )
    shorter = savings(_seconds(start.event), start.event.get("memory") or {})
    if shorter:
        yield Table(
            "start-savings",
            "What would shorten a start",
            (
                Column("part", "part"),
                Column("seconds", "takes", Kind.TENTHS),
                Column("how", "shorter by"),
            ),
            tuple((each.part, each.seconds, each.how) for each in shorter),
        )


def _seconds(event: Event) -> dict[str, float]:
    return {str(phase["phase"]): phase.get("seconds") or 0.0 for phase in event["phases"]}


@dataclass(frozen=True)
class _Shown:
    """One start. label: beside its bar. heading: above its column."""

    label: str
    heading: str
    run: Run
    event: Event


def _starts(evidence: Evidence) -> list[_Shown]:
    """Return scale's starts by context length, then the newest deploy's."""
    shown = []
    if evidence.scale:
        run, rows = evidence.scale
        for row in rows:
            ctx = numbers.count(row.get("ctx"))
            if row.get("phases"):
                shown.append(_Shown(ctx, f"at {ctx} tokens", run, row))
    start = evidence.start
    if start is not None and (start.run.kind != "scale" or not shown):
        ctx = numbers.count(start.event.get("ctx"))
        kind = f"{start.run.kind}, " if shown else ""
        shown.append(_Shown(f"{kind}{ctx}", f"{kind}at {ctx} tokens", start.run, start.event))
    return shown


def _parts(
    seconds: Mapping[str, float], starts: Sequence[Mapping[str, float]]
) -> tuple[BarPart, ...]:
    """Return the longest phases of any start, and the rest as one part.

    seconds: of this start, by phase. starts: the same of all of them.
    """
    longest: dict[str, float] = {}
    for start in starts:
        for name, took in start.items():
            longest[name] = max(longest.get(name, 0.0), took)
    shown = sorted(longest, key=lambda name: -longest[name])[:MOST_PARTS]
    parts = [(name, seconds.get(name, 0.0)) for name in longest if name in shown]
    rest = sum(size for name, size in seconds.items() if name not in shown)
    parts += [("other", rest)] if rest >= 0.05 else []
    return tuple(BarPart(name, size, f"{size:.1f}", free=name == "other") for name, size in parts)
