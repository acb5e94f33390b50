"""The tables of a comparison: each figure of both sides, their ratio, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable

from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Column, Table, Tone, Verdict
from onecard.report.blocks.numbers import Kind
from onecard.report.compare.rows import (
    NOISE_NOTE,
    Row,
    interval,
    judged,
    single_row,
    table_columns,
    table_row,
)
from onecard.report.compare.smokes import smokes
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.noise import TYPICAL, Comparison, Times, difference_of_shares, ratio
from onecard.report.evidence.vision_safe import effective_counts
from onecard.report.sections import load, load_names, memory, scaling
from onecard.report.sections.slowdown import load_times
from onecard.statistics.percentile import percentile

LEAST_SHOWN = 0.005


def latency(a: Evidence, b: Evidence) -> Table | None:
    """Return the times of the picture questions that both answered."""
    pair = smokes(a, b)
    if pair is None:
        return None
    one, other = ([each for times in side.values() for each in times] for side in (pair.a, pair.b))
    change = TYPICAL.compare(pair.a, pair.b)
    rows = (
        table_row(
            "picture question, p50",
            percentile(one, 50),
            percentile(other, 50),
            change,
            judged(change, less_is_better=True),
        ),
        single_row("picture question, p95", percentile(one, 95), percentile(other, 95)),
        single_row(
            "first request", pair.left.summary.get("warmup_s"), pair.right.summary.get("warmup_s")
        ),
    )
    times = "once" if pair.left.repeats == 1 else f"{pair.left.repeats} times"
    note = f"Over {len(pair.a)} questions that both answered, {times} each. {NOISE_NOTE}"
    return Table(
        "latency-table", "Latency of both", table_columns("what", Kind.SECONDS), rows, note
    )


def memory_table(a: Evidence, b: Evidence) -> Table | None:
    """Return the differing memory figures of starts at the same context length."""
    left, right = ({row.ctx: row for row in memory.memories(side)} for side in (a, b))
    same = [ctx for ctx in left if ctx in right]
    pairs = [(left[ctx], right[ctx]) for ctx in same]
    if not pairs and left and right:  # two contexts of one box
        pairs = [(list(left.values())[-1], list(right.values())[-1])]
    parts: tuple[tuple[str, Callable[[memory.StartMemory], float | None]], ...] = (
        ("weights", lambda each: each.weights),
        ("KV cache", lambda each: each.kv),
        ("CUDA graphs", lambda each: each.graphs),
        ("peak in use", lambda each: each.peak),
        ("headroom", lambda each: each.headroom),
    )
    rows = [
        (f"{name}, {_contexts(one.ctx, two.ctx)}", get(one), get(two), change.value)
        for one, two in pairs
        for name, get in parts
        if (change := ratio(get(one), get(two))) and abs(change.value - 1) >= LEAST_SHOWN
    ]
    columns = table_columns("what", Kind.GIB)[:4]
    note = "What is equal to half a per cent is left out."
    return Table("memory-table", "Memory of both", columns, tuple(rows), note) if rows else None


def _contexts(a: int | None, b: int | None) -> str:
    if a == b:
        return f"{numbers.count(a)} tokens"
    return f"{numbers.count(a)} and {numbers.count(b)} tokens"


def context(a: Evidence, b: Evidence) -> Table | None:
    """Return the configured context lengths, and the longest answered requests."""

    def values(side: Evidence) -> tuple[object, ...]:
        start: Event = side.start.event if side.start else {}
        facts: Event = start.get("memory") or {}
        longest = scaling.longest_answered(side)
        return (
            side.server.get("ctx") or start.get("ctx"),
            longest.tokens if longest else None,
            longest.right if longest else None,
            facts.get("kv_concurrency"),
            start.get("answered_s"),
        )

    left, right = values(a), values(b)
    if not any(left) or not any(right):
        return None
    return Table(
        "context-table",
        "Configured, answered, at once",
        (
            Column("side", ""),
            Column("ctx", "configured for", Kind.COUNT),
            Column("longest", "longest request answered", Kind.COUNT),
            Column("longest_right", "longest answered right", Kind.COUNT),
            Column("at_once", "requests at once", Kind.RATIO),
            Column("answered_s", "start to first answer", Kind.TENTHS),
        ),
        (("A", *left), ("B", *right)),
    )


def scaling_table(a: Evidence, b: Evidence) -> Table | None:
    """Return the times of each context that both sides tried."""
    if a.scale is None or b.scale is None:
        return None
    left, right = ({row.get("ctx"): row for row in side.scale[1]} for side in (a, b) if side.scale)
    rows: list[Row] = []
    for ctx in (ctx for ctx in left if ctx in right):
        one, two, name = left[ctx], right[ctx], numbers.count(ctx)
        left_request: Event = one.get("long_request") or {}
        right_request: Event = two.get("long_request") or {}
        rows += [
            single_row(f"{name}: first answer", one.get("answered_s"), two.get("answered_s")),
            table_row(
                f"{name}: per picture",
                one.get("steady_p50_s"),
                two.get("steady_p50_s"),
                change := TYPICAL.compare(_times(a, ctx), _times(b, ctx)),
                judged(change, less_is_better=True),
            ),
            single_row(
                f"{name}: long request",
                left_request.get("latency_s"),
                right_request.get("latency_s"),
            ),
        ]
    rows = [row for row in rows if row[1] is not None or row[2] is not None]
    columns = table_columns("context", Kind.SECONDS)
    return (
        Table("scaling-table", "Each context", columns, tuple(rows), NOISE_NOTE) if rows else None
    )


def _times(side: Evidence, ctx: int | None) -> Times:
    """Return the times of the picture questions that scale sent at one context length."""
    run = side.scale[0] if side.scale else None
    found = [smoke for smoke in side.smokes if smoke.run is run and smoke.ctx == ctx]
    return found[-1].times if found else {}


def grounding(a: Evidence, b: Evidence) -> Table | None:
    """Return the shares of right answers by length of the text."""
    left, right = (_points(side) for side in (a, b))
    rows: list[Row] = []
    for length in (length for length in left if length in right):
        one, two = left[length], right[length]
        change = difference_of_shares(effective_counts(one), effective_counts(two))
        if change is not None:
            rows.append(
                (
                    length,
                    one.get("accuracy"),
                    two.get("accuracy"),
                    change.value,
                    judged(change, less_is_better=False),
                    interval(change),
                )
            )
    columns = (
        Column("target_tokens", "tokens of text", Kind.COUNT),
        Column("a", "A right", Kind.SHARE),
        Column("b", "B right", Kind.SHARE),
        Column("difference", "B − A", Kind.SHARE),
        Column("verdict", ""),
        Column("interval", numbers.LEVEL, Kind.COUNT),
    )
    note = "Difference of two shares with Newcombe's interval; “within noise” when it holds 0."
    return Table("grounding-table", "Right by length", columns, tuple(rows), note) if rows else None


def _points(side: Evidence) -> dict[int, Event]:
    run = side.latest("stress", "curve")
    points = (run.last("curve") or {}).get("points") or () if run else ()
    return {int(point.get("target_tokens") or 0): point for point in points}


def load_table(a: Evidence, b: Evidence) -> Table | None:
    """Return throughput and latency of the loads that both sides ran."""
    left, right = (_loads(side) for side in (a, b))
    rows: list[Row] = []
    for name in (name for name in left if name in right):
        one, two = left[name], right[name]
        rates = one.get("generation_tokens_per_s"), two.get("generation_tokens_per_s")
        change = ratio(*rates)
        p95s = [(each.get("latency_s") or {}).get("p95") for each in (one, two)]
        slower = ratio(*p95s)
        rows.append(
            (
                name,
                *rates,
                change.value if change else None,
                *p95s,
                slower.value if slower else None,
            )
        )
    columns = (
        Column("load", "load"),
        Column("a_tokens_per_s", "tokens/s A", Kind.RATE, "tokens"),
        Column("b_tokens_per_s", "tokens/s B", Kind.RATE, "tokens"),
        Column("tokens_ratio", "B / A", Kind.RATIO),
        Column("a_p95_s", "latency p95 A", Kind.SECONDS, "latency"),
        Column("b_p95_s", "latency p95 B", Kind.SECONDS, "latency"),
        Column("p95_ratio", "B / A", Kind.RATIO),
    )
    note = "Each load was measured once on each side, so no interval is given."
    return Table("load-table", "The same loads", columns, tuple(rows), note) if rows else None


def load_change(a: Evidence, b: Evidence) -> Comparison | None:
    """Return how the latency under load changed, over the loads of equal name."""
    left, right = (side.latest("bench", "load") for side in (a, b))
    return TYPICAL.compare(load_times(left), load_times(right)) if left and right else None


def _loads(side: Evidence) -> dict[str, Event]:
    run = side.latest("bench", "load")
    return {
        f"{load_names.offered(each)}, {load_names.shape(each)}": each
        for each in (load.sweep(run) if run else ())
    }


def questions(a: Evidence, b: Evidence) -> Table | None:
    """Return both answers to each question that both sides answered."""
    if a.smoke is None or b.smoke is None:
        return None
    left, right = (
        {(case.get("name"), case.get("question")): case for case in side.smoke.cases}
        for side in (a, b)
        if side.smoke
    )
    rows = tuple(
        (*question, _answer(left[question]), _answer(right[question]))
        for question in left
        if question in right
    )
    columns = (
        Column("case", "case"),
        Column("question", "question"),
        Column("a", "A"),
        Column("b", "B"),
    )
    return Table("questions-table", "Answers of both", columns, rows) if rows else None


def _answer(case: Event) -> Verdict:
    text = " ".join(str(case.get("error") or case.get("given") or "(empty)").split())
    return Verdict(text[:120], Tone.GOOD if case.get("passed") else Tone.BAD)
