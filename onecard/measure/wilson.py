"""A share of right answers with its confidence interval."""

from __future__ import annotations

from math import sqrt
from typing import Final

Z_95: Final = 1.959963984540054  # the normal distribution's 97.5 % point


def wilson(right: float, asked: float, z: float = Z_95) -> tuple[float, float] | None:
    """Return the Wilson score interval for `right` of `asked`; None when nothing was asked.

    Neither needs to be whole: answers that are alike are worth fewer independent ones (clusters).
    The interval holds its level for few cases and near 0 and 1, where the usual
    p +- z*sqrt(p(1-p)/n) is empty. Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209; Brown,
    Cai and DasGupta, Statistical Science 16 (2001) 101, recommend it for n up to 40.
    """
    if asked == 0:
        return None
    share = right / asked
    squared = z * z / asked
    middle = (share + squared / 2) / (1 + squared)
    half = z / (1 + squared) * sqrt(share * (1 - share) / asked + squared / (4 * asked))
    # At the ends the formula is exact but its arithmetic is not.
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == asked else min(1.0, middle + half)
    return low, high


def difference(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float] | None:
    """Return the 95 % interval of one share less another, each given as (right, asked).

    None when one of them was not asked. Two Wilson intervals may overlap while the shares differ;
    this is what to look at then. Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873,
    method 10.
    """
    first, second = wilson(*one), wilson(*other)
    if first is None or second is None:
        return None
    share, less = one[0] / one[1], other[0] / other[1]
    below = sqrt((share - first[0]) ** 2 + (second[1] - less) ** 2)
    above = sqrt((first[1] - share) ** 2 + (less - second[0]) ** 2)
    return share - less - below, share - less + above
