"""The pair of smoke tests that a comparison uses."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.report.evidence.evidence import Evidence, SmokeResult
from onecard.report.evidence.noise import TYPICAL, Comparison, Times


@dataclass(frozen=True)
class Smokes:
    """A smoke test of each side with the same procedure: command and repeats.

    a, b: the times of the questions that both answered.
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
            if left.procedure == right.procedure and both:
                left_times, right_times = (
                    {name: times for name, times in side.times.items() if name in both}
                    for side in (left, right)
                )
                return Smokes(left, right, left_times, right_times)
    return None


def _newest_first(side: Evidence) -> list[SmokeResult]:
    """Return the runs of smoke, then the smoke tests within scale, each newest first."""
    ordered = sorted(side.smokes, key=lambda smoke: smoke.run.kind == "smoke")
    return ordered[::-1]


def steady(a: Evidence, b: Evidence) -> Comparison | None:
    """Return how the time of a picture question changed, question by question."""
    pair = smokes(a, b)
    return TYPICAL.compare(pair.a, pair.b) if pair else None
