"""95 % confidence intervals of proportions: Wilson's, and Newcombe's for a difference."""

from __future__ import annotations

from math import sqrt
from typing import Final

Z_95: Final = 1.959963984540054  # the normal distribution's 97.5 % point


def wilson(right: float, total: float, z: float = Z_95) -> tuple[float, float] | None:
    """Return the Wilson score interval for `right` of `total`; None when `total` is 0.

    Neither needs to be whole: correlated answers count as fewer independent ones (clusters).
    The interval holds its level for few cases and near 0 and 1, where the usual
    p +- z*sqrt(p(1-p)/n) is empty. Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209; Brown,
    Cai and DasGupta, Statistical Science 16 (2001) 101, recommend it for n up to 40.
    """
    if total == 0:
        return None
    share = right / total
    squared = z * z / total
    middle = (share + squared / 2) / (1 + squared)
    half = z / (1 + squared) * sqrt(share * (1 - share) / total + squared / (4 * total))
    # At the ends the formula is exact but its arithmetic is not.
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == total else min(1.0, middle + half)
    return low, high


def difference(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float] | None:
    """Return the 95 % interval of one share minus another, each given as (right, total).

    None when a total is 0. Two Wilson intervals may overlap while the shares differ;
    this interval decides then. Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873,
    method 10.
    """
    first, second = wilson(*one), wilson(*other)
    if first is None or second is None:
        return None
    share, less = one[0] / one[1], other[0] / other[1]
    below = sqrt((share - first[0]) ** 2 + (second[1] - less) ** 2)
    above = sqrt((first[1] - share) ** 2 + (less - second[0]) ** 2)
    return share - less - below, share - less + above
