"""Context scaling: "server configured at N" apart from "a request of N tokens was answered"."""

from __future__ import annotations

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

_CONFIGURED = {
    "yes": Verdict("started", Tone.GOOD),
    "no": Verdict("failed", Tone.BAD),
    "refused": Verdict("refused", Tone.QUIET),
    "skipped": Verdict("skipped", Tone.QUIET),
}


def section(evidence: Evidence) -> Section:
    """Return the table, or which command fills it."""
    scale = evidence.scale
    if scale is None:
        nothing = Missing(
            "No context but the deployed one has been tried.",
            f"invoke scale --host {evidence.host} --ctx 4096,65536,131072,262144",
        )
        return Section("scaling", "Context scaling", (nothing,))
    run, rows = scale
    blocks: list[Block] = [
        Paragraph(
            "A server configured for N tokens has not yet answered N tokens. The left half "
            "says which context was configured, whether the server got ready and answered picture "
            "questions; the right half, how many tokens one request was then really sent with, as "
            "the server counted them, and what became of it."
        ),
        Table(
            "scaling-table",
            "Each context, started, tested and filled",
            (
                Column("ctx", "configured for", Kind.COUNT),
                Column("configured", "server"),
                Column("answered_s", "ready after", Kind.TENTHS),
                Column("smoke", "pictures"),
                Column("steady_p50_s", "picture p50", Kind.SECONDS),
                Column("prompt_tokens", "then asked with", Kind.COUNT),
                Column("answered", "answer"),
                Column("latency_s", "after", Kind.SECONDS),
            ),
            tuple(_row(row) for row in rows),
            source(run),
        ),
    ]
    refused = [
        f"{numbers.count(row.get('ctx'))} tokens: {row['reason']}"
        for row in rows
        if row.get("reason") and row.get("configured") != "yes"
    ]
    blocks += [Paragraph(f"Not started: {reason}") for reason in refused]
    if chart := _chart(rows):
        blocks.append(chart)
    return Section("scaling", "Context scaling", tuple(blocks))


def _row(row: Event) -> tuple[object, ...]:
    asked: Event = row.get("long_request") or {}
    cases = row.get("smoke_cases")
    smoke: object = None
    if cases:
        fine = row.get("smoke_ok")
        smoke = Verdict(f"{row.get('smoke_passed')} of {cases}", Tone.GOOD if fine else Tone.BAD)
    return (
        row.get("ctx"),
        _CONFIGURED.get(str(row.get("configured")), row.get("configured")),
        row.get("answered_s"),
        smoke,
        row.get("steady_p50_s"),
        asked.get("prompt_tokens") or asked.get("aimed_tokens"),
        _answered(asked),
        asked.get("latency_s"),
    )


def _answered(asked: Event) -> Verdict | None:
    if not asked:
        return None
    if not asked.get("answered"):
        return Verdict("none", Tone.BAD)
    if asked.get("right"):
        return Verdict("right", Tone.GOOD)
    return Verdict("wrong", Tone.BAD)


def longest_answered(evidence: Evidence) -> tuple[int, int | None] | None:
    """Return the prompt tokens of the longest request that was answered, and at which ctx."""
    lengths = [
        (int(event["prompt_tokens"]), event.get("ctx") or (run.last("server") or {}).get("ctx"))
        for run in evidence.runs
        for event in (*run.all("long_request"), *run.all("answer"), *run.all("case"))
        if event.get("prompt_tokens")
        and evidence.wanted(run, event)
        and event.get("answered", True)
        and event.get("outcome") not in ("failed", "exceeds limit")
        and not event.get("error")
    ]
    return max(lengths, key=lambda pair: pair[0], default=None)


def _chart(rows: tuple[Event, ...]) -> Plot | None:
    points = [
        (float(asked["prompt_tokens"]), float(asked["latency_s"]), asked.get("ttft_s"))
        for row in rows
        if (asked := row.get("long_request")) and asked.get("answered")
        if asked.get("prompt_tokens") and asked.get("latency_s")
    ]
    if len(points) < 2:
        return None
    lengths = tuple(point[0] for point in points)
    words = ", ".join(f"{x:,.0f} tokens in {numbers.seconds(y)}" for x, y, _ in points)
    return Plot(
        "scaling-chart",
        "How long one long request takes",
        f"Line: a request of {words}.",
        Chart(
            "tokens in the request",
            "seconds to the whole answer",
            (Series("whole answer", lengths, tuple(point[1] for point in points)),),
            x_ticks=tuple((x, f"{x:,.0f}") for x in lengths),
            x_log=True,
        ),
    )
