"""A row of a comparison: two values, their difference, and whether it is outside the noise."""

from __future__ import annotations

from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Column, Tone, Verdict
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.noise import Comparison, ratio

SAME = "within noise"


NOISE_NOTE = (
    "B / A is the median over the questions of what each took on B by what it took on A, with its "
    "95 % interval. “Within noise”: it holds 1, or the change is below 5 %. A p95, and what was "
    "measured once, has no interval."
)


Row = tuple[object, ...]


def interval(change: Comparison) -> str:
    """Return the ends of an interval; of a difference of shares, in percentage points."""
    if change.low is None or change.high is None:
        return numbers.ABSENT
    if change.neutral == 0:
        ends = (
            f"{end * 100:+.0f}".replace("-", numbers.MINUS) for end in (change.low, change.high)
        )
        return " to ".join(ends)
    return f"{change.low:.2f} to {change.high:.2f}"


def judged(change: Comparison | None, *, less_is_better: bool | None = None) -> Verdict | None:
    """Return the verdict on a change; None without one.

    less_is_better: None where neither direction is.
    """
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


def table_columns(what: str, kind: Kind) -> tuple[Column, ...]:
    """Return the columns of a comparison. what: the heading of the first."""
    return (
        Column("what", what),
        Column("a", "A", kind, "sides"),
        Column("b", "B", kind, "sides"),
        Column("ratio", "B / A", Kind.RATIO),
        Column("verdict", ""),
        Column("interval", numbers.LEVEL, Kind.COUNT),
    )


def table_row(
    name: str, a: float | None, b: float | None, change: Comparison | None, verdict: Verdict | None
) -> Row:
    """Return the row of two values with their ratio, verdict and interval."""
    return (
        name,
        a,
        b,
        change.value if change else None,
        verdict,
        interval(change) if change else None,
    )


def single_row(name: str, a: float | None, b: float | None) -> Row:
    """Return the row of two values that were measured once, so without an interval."""
    change = ratio(a, b)
    return table_row(name, a, b, change, judged(change))
