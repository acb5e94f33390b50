"""Whether two measurements differ by more than their noise.

ratio_of_medians, ratio_of_means: percentile bootstrap (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 13), with a fixed seed: the same records always give the same page.
difference_of_shares: Newcombe's hybrid score interval (Statistics in Medicine 17, 1998,
method 10).

Repeats within one run do not know what changes from run to run, such as a busy neighbour. A
difference therefore counts only when it is also larger than LEAST.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from onecard.measure.wilson import wilson

LEAST: Final = 0.05  # of a ratio; differences below it are not called differences
FEWEST: Final = 5  # repeats without which no interval is given
DRAWS: Final = 2000


@dataclass(frozen=True)
class Comparison:
    """A change from `before` to `after`, with its 95 % interval (None: not known).

    neutral: the value that says that nothing changed: 1 for a ratio, 0 for a difference.
    """

    value: float
    low: float | None
    high: float | None
    neutral: float = 1.0

    @property
    def outside(self) -> bool | None:
        """Whether the change is outside the noise; None where that cannot be told."""
        if self.low is None or self.high is None:
            return None
        excluded = not self.low <= self.neutral <= self.high
        return excluded and abs(self.value - self.neutral) >= LEAST


def ratio(before: float | None, after: float | None) -> Comparison | None:
    """Return the ratio of two single figures, of whose noise nothing is known."""
    if not before or after is None:
        return None
    return Comparison(after / before, None, None)


def ratio_of_medians(before: Sequence[float], after: Sequence[float]) -> Comparison | None:
    """Return the ratio after / before of two samples' medians; None where there is none."""
    return _ratio(median, before, after)


def ratio_of_means(before: Sequence[float], after: Sequence[float]) -> Comparison | None:
    """Return the ratio of the means, which some stalled requests move and the median does not."""
    return _ratio(fmean, before, after)


def _ratio(
    middle: Callable[[Sequence[float]], float], before: Sequence[float], after: Sequence[float]
) -> Comparison | None:
    if not before or not after or not middle(before):
        return None
    value = middle(after) / middle(before)
    if min(len(before), len(after)) < FEWEST:
        return Comparison(value, None, None)
    chance = random.Random(1)  # noqa: S311  # resampling, no secret
    drawn = sorted(
        middle(chance.choices(after, k=len(after))) / middle(chance.choices(before, k=len(before)))
        for _ in range(DRAWS)
    )
    return Comparison(value, drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS) - 1])


def difference_of_shares(
    right_before: int, asked_before: int, right_after: int, asked_after: int
) -> Comparison | None:
    """Return the share after minus the share before; None where nothing was asked."""
    before, after = wilson(right_before, asked_before), wilson(right_after, asked_after)
    if before is None or after is None:
        return None
    p, (p_low, p_high) = right_before / asked_before, before
    q, (q_low, q_high) = right_after / asked_after, after
    difference = q - p
    return Comparison(
        difference,
        difference - math.hypot(q - q_low, p_high - p),
        difference + math.hypot(q_high - q, p - p_low),
        neutral=0.0,
    )
