"""How many independent answers those are worth that come in groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import exp, lgamma
from typing import Final

_SHARES: Final = tuple((step + 0.5) / 24 for step in range(24))
_CORRELATIONS: Final = tuple((step + 0.5) / 16 for step in range(16))


def effective_size(groups: Sequence[tuple[int, int]]) -> float:
    """Return the number of independent answers that say as much as these.

    groups: (right, asked) for each picture, asked at least 1; no groups are worth 0. Answers about
    one picture are alike: a hard one is missed again and again. n answers are worth
    n / (1 + (m - 1) * correlation), m being the size of a group (L. Kish, Survey Sampling, 1965,
    5.4), for unequal groups sum(asked^2) / n (A. Donner, N. Birkett and C. Buck, Am. J. Epidemiol.
    114 (1981) 906).
    """
    asked = sum(size for _, size in groups)
    if asked == len(groups):
        return float(asked)
    size = sum(size**2 for _, size in groups) / asked
    return asked / (1 + (size - 1) * correlation(groups))


def correlation(groups: Sequence[tuple[int, int]]) -> float:
    """Return how alike a group's answers are: 0 by chance alone, 1 always the same.

    The posterior mean under a beta-binomial model (J. G. Skellam, J. R. Stat. Soc. B 10 (1948)
    257) with flat priors of share and correlation. An estimate from moments is 0 / 0 where every
    answer is right, and near 0 where almost every one is: just where nothing tells how alike they
    are. Here it stays near 1/2 until the answers tell.
    """
    counted = Counter(groups)
    weighed = []
    for alike in _CORRELATIONS:
        both = (1 - alike) / alike  # the beta distribution's two parameters together
        for share in _SHARES:
            first, second = share * both, (1 - share) * both
            fixed = lgamma(both) - lgamma(first) - lgamma(second)
            likelihood = sum(
                times
                * (
                    fixed
                    + lgamma(first + right)
                    + lgamma(second + asked - right)
                    - lgamma(both + asked)
                )
                for (right, asked), times in counted.items()
            )
            weighed.append((likelihood, alike))
    best = max(likelihood for likelihood, _ in weighed)
    weights = [(exp(likelihood - best), alike) for likelihood, alike in weighed]
    return sum(weight * alike for weight, alike in weights) / sum(weight for weight, _ in weights)
