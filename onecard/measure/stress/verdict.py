"""The verdict on a curve of grounding against length, in one sentence.

"Worse" is by more than chance explains (Tally.is_better_than); what is not shown to
be worse is not called equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

from onecard.measure.stress.result import Point


def verdict(points: Sequence[Point], guessable: float) -> str:
    """Return the sentence. points: by length, first the control without a text, which was answered.

    guessable: the share that one fixed answer gets right.
    """
    control, *others = [point for point in points if point.tally.asked]
    before = f"{control.tally.share} right without a text"
    if not others:
        return f"{before}; with a text none was answered"
    return before + _loss(control, others) + _guessed(others, guessable)


def percent(share: float) -> str:
    """Return `33 %`."""
    return f"{100 * share:.0f} %"


def _loss(control: Point, others: Sequence[Point]) -> str:
    """Return which lengths are worse than the control, and whether that lasts to the longest."""

    def is_worse(point: Point) -> bool:
        return control.tally.is_better_than(point.tally)

    last = others[-1]
    lasting = _tail(others, is_worse)
    single = [point for point in others if is_worse(point) and point not in lasting]
    if not lasting and not single:
        return (
            f", {last.tally.share} behind {last.target_tokens:,} tokens: no length shows a loss "
            "beyond chance"
        )
    found = ""
    if lasting:
        first = lasting[0]
        place = f"{first.target_tokens:,} tokens of text"
        if first is last:
            found += f"; worse beyond chance at {place}: {first.tally.share}"
        else:
            found += f"; worse beyond chance from {place} on: {_shares((first, last))}"
    if single:
        found += f"; worse beyond chance at single lengths: {_shares(single)} tokens of text"
    if not lasting:
        found += f"; at the longest, {last.target_tokens:,}, {last.tally.share}: no such loss"
    return found


def _guessed(others: Sequence[Point], guessable: float) -> str:
    """Return from which length on guessing would do as well, or better; empty for none."""
    as_bad = _tail(others, lambda point: point.tally.low <= guessable)
    worse = _tail(others, lambda point: point.tally.high < guessable)
    if not as_bad:
        return ""
    if len(worse) == len(as_bad):
        return f"; {_place(worse)} worse than guessing ({percent(guessable)})"
    found = f"; {_place(as_bad)} not shown to be better than guessing ({percent(guessable)})"
    return f"{found}, {_place(worse)} worse" if worse else found


def _tail(points: Sequence[Point], holds: Callable[[Point], bool]) -> list[Point]:
    """Return the points at the end of a curve for which `holds` is true without a gap."""
    return list(takewhile(holds, reversed(points)))[::-1]


def _place(tail: Sequence[Point]) -> str:
    place = f"{tail[0].target_tokens:,}"
    return f"from {place} on" if len(tail) > 1 else f"at {place}"


def _shares(points: Sequence[Point]) -> str:
    return ", ".join(f"{point.tally.share} at {point.target_tokens:,}" for point in points)
