"""The trend of a value over time, with an interval that neighbouring values do not narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean

from onecard.statistics.t_quantile import student_t

_BATCHES = 10
_FEWEST = 4  # batches with values, for an interval


@dataclass(frozen=True)
class Trend:
    """A value's change over the whole time, with its 95 % confidence interval."""

    change: float
    low: float
    high: float

    @property
    def is_growth(self) -> bool:
        """Return whether it grew beyond chance."""
        return self.low > 0


def trend(points: Sequence[tuple[float, float]]) -> Trend | None:
    """Return the change along the least-squares line; None for values of too short a time.

    points: (time, value). Values close in time resemble each other, which an interval from single
    values would take for certainty, so the line goes through the means of ten equal spans of time
    (batch means: A. M. Law, Simulation Modeling and Analysis, 9.5.3), with Student's t.
    """
    if not points:
        return None
    first, last = min(time for time, _ in points), max(time for time, _ in points)
    span = last - first
    spans: list[list[tuple[float, float]]] = [[] for _ in range(_BATCHES)]
    for time, value in points:
        spans[min(int(_BATCHES * (time - first) / span), _BATCHES - 1) if span else 0].append(
            (time, value)
        )
    batches = [
        (mean(time for time, _ in each), mean(value for _, value in each)) for each in spans if each
    ]
    if len(batches) < _FEWEST:
        return None
    middle, level = mean(x for x, _ in batches), mean(y for _, y in batches)
    spread = sum((x - middle) ** 2 for x, _ in batches)
    slope = sum((x - middle) * (y - level) for x, y in batches) / spread
    rest = sum((y - level - slope * (x - middle)) ** 2 for x, y in batches)
    freedom = len(batches) - 2
    half = student_t(freedom) * sqrt(rest / freedom / spread) * span
    return Trend(slope * span, slope * span - half, slope * span + half)
