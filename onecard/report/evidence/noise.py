"""Decide whether two measurements differ by more than their noise.

TYPICAL, AVERAGE: bootstrap over the questions, with percentiles widened for their
small number (T. Hesterberg, What Teachers Should Know About the Bootstrap, The American
Statistician 69, 2015, section 5.3) and a fixed seed: the same records always give the same page.
difference_of_shares: Newcombe's hybrid score interval (Statistics in Medicine 17, 1998,
method 10).

Repeats within one run do not show what changes from run to run, such as other load on the host. A
difference therefore counts only if it is also larger than LEAST.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, median
from typing import Final, TypeAlias

from onecard.statistics.share_interval import difference
from onecard.statistics.t_quantile import student_t

LEAST: Final = 0.05  # of a ratio; smaller differences do not count
FEWEST: Final = 5  # questions; with fewer no interval is given
DRAWS: Final = 2000
Times: TypeAlias = Mapping[str, Sequence[float]]  # question or load -> its times, seconds
Pair: TypeAlias = tuple[float, float]  # a question before and after, seconds


@dataclass(frozen=True)
class Comparison:
    """A change from `before` to `after`, with its 95 % interval (None: not known).

    neutral: the value of no change: 1 for a ratio, 0 for a difference.
    """

    value: float
    low: float | None
    high: float | None
    neutral: float = 1.0

    @property
    def outside(self) -> bool | None:
        """Whether the change is outside the noise; None without an interval."""
        if self.low is None or self.high is None:
            return None
        excluded = not self.low <= self.neutral <= self.high
        return excluded and abs(self.value - self.neutral) >= LEAST

    @property
    def is_none(self) -> bool:
        """Whether the whole interval is within LEAST of no change: equivalence is shown."""
        ends = (self.low, self.high)
        return all(end is not None and abs(end - self.neutral) < LEAST for end in ends)


def ratio(before: float | None, after: float | None) -> Comparison | None:
    """Return the ratio of two single figures, whose noise is unknown."""
    if not before or after is None:
        return None
    return Comparison(after / before, None, None)


@dataclass(frozen=True)
class Way:
    """A way to compare two runs, question by question, however long each question takes.

    middle: the average of a question's times. ratio_of: the ratio over all questions' averages.
    """

    name: str
    middle: Callable[[Sequence[float]], float]
    ratio_of: Callable[[Sequence[Pair]], float]

    def value(self, before: Times, after: Times) -> float | None:
        """Return the ratio after / before; None where no question was timed in both."""
        pairs = self._pairs(before, after)
        return self.ratio_of(pairs) if pairs else None

    def compare(self, before: Times, after: Times) -> Comparison | None:
        """Return the ratio with its interval (none for fewer than FEWEST questions)."""
        pairs = self._pairs(before, after)
        if not pairs:
            return None
        value = self.ratio_of(pairs)
        if len(pairs) < FEWEST:
            return Comparison(value, None, None)
        chance = random.Random(1)  # noqa: S311  # resampling, no secret
        drawn = sorted(self.ratio_of(chance.choices(pairs, k=len(pairs))) for _ in range(DRAWS))
        left_out = int(_tail(len(pairs)) * DRAWS)
        return Comparison(value, drawn[left_out], drawn[DRAWS - 1 - left_out])

    def _pairs(self, before: Times, after: Times) -> list[Pair]:
        pairs = [
            (self.middle(before[name]), self.middle(after[name]))
            for name in before
            if before[name] and after.get(name)
        ]
        return [pair for pair in pairs if min(pair) > 0]


def difference_of_shares(
    before: tuple[float, float], after: tuple[float, float]
) -> Comparison | None:
    """Return the share after minus the share before, each given as (right, total).

    None where a total is 0.
    """
    interval = difference(after, before)
    if interval is None:
        return None
    return Comparison(after[0] / after[1] - before[0] / before[1], *interval, neutral=0.0)


def _median_of_ratios(pairs: Sequence[Pair]) -> float:
    return median(after / before for before, after in pairs)


def _ratio_of_sums(pairs: Sequence[Pair]) -> float:
    return sum(after for _, after in pairs) / sum(before for before, _ in pairs)


def _tail(count: int) -> float:
    """Return the share of draws beyond each end: below 2.5 %, as small samples vary too little."""
    return NormalDist().cdf(-math.sqrt(count / (count - 1)) * student_t(count - 1))


TYPICAL: Final = Way("in the median", median, _median_of_ratios)
# Some stalled requests move the average, and not the median.
AVERAGE: Final = Way("on average", fmean, _ratio_of_sums)
