"""The tables of a comparison: each figure of both sides, the ratio, and whether it is noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onecard.report_page import load, memory, numbers, scaling
from onecard.report_page.blocks import Column, Table, Tone, Verdict
from onecard.report_page.evidence import Event, Evidence, SmokeResult
from onecard.report_page.noise import (
    TYPICAL,
    Comparison,
    Times,
    difference_of_shares,
    ratio,
)
from onecard.report_page.numbers import Kind
from onecard.report_page.slowdown import load_times
from onecard.smoke.report import percentile

LEAST_SHOWN = 0.005
SAME = "within noise"
NOISE_NOTE = (
    "B / A is the median over the questions of what each took on B by what it took on A, with its "
    "95 % interval. “Within noise”: it holds 1, or the change is below 5 %. A p95, and what was "
    "measured once, has no interval."
)
Row = tuple[object, ...]


@dataclass(frozen=True)
class Smokes:
    """A smoke test of each side whose questions were asked alike: by themselves or within scale,
    and equally often.

    a, b: the times of the questions that both were asked.
    """

    left: SmokeResult
    right: SmokeResult
    a: Times
    b: Times


def smokes(a: Evidence, b: Evidence) -> Smokes | None:
    """Return the newest pair of smoke tests whose times can be compared; None without any."""
    for left in _newest_first(a):
        for right in _newest_first(b):
            both = left.times.keys() & right.times.keys()
            if left.asked_like == right.asked_like and both:
                mine, theirs = (
                    {name: times for name, times in side.times.items() if name in both}
                    for side in (left, right)
                )
                return Smokes(left, right, mine, theirs)
    return None


def _newest_first(side: Evidence) -> list[SmokeResult]:
    """Return smoke tests of their own before those within scale."""
    ordered = sorted(side.smokes, key=lambda smoke: smoke.run.kind == "smoke")
    return ordered[::-1]


def steady(a: Evidence, b: Evidence) -> Comparison | None:
    """Return how the time of a picture question changed, each compared with itself."""
    pair = smokes(a, b)
    return TYPICAL.compare(pair.a, pair.b) if pair else None


def interval(change: Comparison) -> str:
    """Return the ends of an interval; of a difference, in points of a hundred."""
    if change.low is None or change.high is None:
        return numbers.ABSENT
    if change.neutral == 0:
        ends = (
            f"{end * 100:+.0f}".replace("-", numbers.MINUS) for end in (change.low, change.high)
        )
        return " to ".join(ends)
    return f"{change.low:.2f} to {change.high:.2f}"


def _judged(change: Comparison | None, *, less_is_better: bool | None = None) -> Verdict | None:
    if change is None:
        return None
    if change.outside is None:
        return Verdict("no interval", Tone.QUIET)
    if not change.outside:
        return Verdict(SAME, Tone.QUIET)
    more = change.value > change.neutral
    if less_is_better is None:
        return Verdict("more" if more else "less", Tone.QUIET)
    words = ("slower", "faster") if less_is_better else ("better", "worse")
    good = more != less_is_better
    return Verdict(words[0] if more else words[1], Tone.GOOD if good else Tone.BAD)


def _columns(what: str, kind: Kind) -> tuple[Column, ...]:
    return (
        Column("what", what),
        Column("a", "A", kind, "sides"),
        Column("b", "B", kind, "sides"),
        Column("ratio", "B / A", Kind.RATIO),
        Column("verdict", ""),
        Column("interval", numbers.LEVEL, Kind.COUNT),
    )


def _row(
    name: str, a: float | None, b: float | None, change: Comparison | None, verdict: Verdict | None
) -> Row:
    return (
        name,
        a,
        b,
        change.value if change else None,
        verdict,
        interval(change) if change else None,
    )


def _single(name: str, a: float | None, b: float | None) -> Row:
    change = ratio(a, b)
    return _row(name, a, b, change, _judged(change))


def latency(a: Evidence, b: Evidence) -> Table | None:
    """Return the times of the picture questions that both were asked."""
    pair = smokes(a, b)
    if pair is None:
        return None
    one, other = ([each for times in side.values() for each in times] for side in (pair.a, pair.b))
    change = TYPICAL.compare(pair.a, pair.b)
    rows = (
        _row(
            "picture question, p50",
            percentile(one, 50),
            percentile(other, 50),
            change,
            _judged(change, less_is_better=True),
        ),
        _single("picture question, p95", percentile(one, 95), percentile(other, 95)),
        _single(
            "first request", pair.left.summary.get("warmup_s"), pair.right.summary.get("warmup_s")
        ),
    )
    times = "once" if pair.left.repeats == 1 else f"{pair.left.repeats} times"
    note = f"Over {len(pair.a)} questions that both were asked, {times} each. {NOISE_NOTE}"
    return Table("latency-table", "Latency of both", _columns("what", Kind.SECONDS), rows, note)


def memory_table(a: Evidence, b: Evidence) -> Table | None:
    """Return what differs of the memory of a start at the same context."""
    left, right = ({row.ctx: row for row in memory.memories(side)} for side in (a, b))
    same = [ctx for ctx in left if ctx in right]
    pairs = [(left[ctx], right[ctx]) for ctx in same]
    if not pairs and left and right:  # two contexts of one box
        pairs = [(list(left.values())[-1], list(right.values())[-1])]
    parts: tuple[tuple[str, Callable[[memory.Memory], float | None]], ...] = (
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
    columns = _columns("what", Kind.GIB)[:4]
    note = "What is equal to half a per cent is left out."
    return Table("memory-table", "Memory of both", columns, tuple(rows), note) if rows else None


def _contexts(a: int | None, b: int | None) -> str:
    if a == b:
        return f"{numbers.count(a)} tokens"
    return f"{numbers.count(a)} and {numbers.count(b)} tokens"


def context(a: Evidence, b: Evidence) -> Table | None:
    """Return what is configured and what was answered."""

    def told(side: Evidence) -> tuple[object, ...]:
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

    left, right = told(a), told(b)
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
        asked: Event = one.get("long_request") or {}
        answered: Event = two.get("long_request") or {}
        rows += [
            _single(f"{name}: first answer", one.get("answered_s"), two.get("answered_s")),
            _row(
                f"{name}: per picture",
                one.get("steady_p50_s"),
                two.get("steady_p50_s"),
                change := TYPICAL.compare(_times(a, ctx), _times(b, ctx)),
                _judged(change, less_is_better=True),
            ),
            _single(f"{name}: long request", asked.get("latency_s"), answered.get("latency_s")),
        ]
    rows = [row for row in rows if row[1] is not None or row[2] is not None]
    columns = _columns("context", Kind.SECONDS)
    return (
        Table("scaling-table", "Each context", columns, tuple(rows), NOISE_NOTE) if rows else None
    )


def _times(side: Evidence, ctx: int | None) -> Times:
    """Return the times of the picture questions that scale asked at one context."""
    run = side.scale[0] if side.scale else None
    found = [smoke for smoke in side.smokes if smoke.run is run and smoke.ctx == ctx]
    return found[-1].times if found else {}


def grounding(a: Evidence, b: Evidence) -> Table | None:
    """Return the shares of right answers by length of the text."""
    left, right = (_points(side) for side in (a, b))
    rows: list[Row] = []
    for length in (length for length in left if length in right):
        one, two = left[length], right[length]
        change = difference_of_shares(_worth(one), _worth(two))
        if change is not None:
            rows.append(
                (
                    length,
                    one.get("accuracy"),
                    two.get("accuracy"),
                    change.value,
                    _judged(change, less_is_better=False),
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


def _worth(point: Event) -> tuple[float, float]:
    """Return right and asked, counted as the independent answers that they are worth."""
    asked, effective = point.get("asked") or 0, point.get("effective")
    each = effective / asked if effective and asked else 1.0
    return each * (point.get("right") or 0), each * asked


def _points(side: Evidence) -> dict[int, Event]:
    run = side.latest("stress", "curve")
    points = (run.last("curve") or {}).get("points") or () if run else ()
    return {int(point.get("target_tokens") or 0): point for point in points}


def load_table(a: Evidence, b: Evidence) -> Table | None:
    """Return throughput and latency of the loads that both sides were put under."""
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
        f"{load.offered(each)}, {load.shape(each)}": each
        for each in (load.sweep(run) if run else ())
    }


def questions(a: Evidence, b: Evidence) -> Table | None:
    """Return both answers to each question that both were asked."""
    if a.smoke is None or b.smoke is None:
        return None
    left, right = (
        {(case.get("name"), case.get("question")): case for case in side.smoke.cases}
        for side in (a, b)
        if side.smoke
    )
    rows = tuple(
        (*asked, _answer(left[asked]), _answer(right[asked])) for asked in left if asked in right
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
