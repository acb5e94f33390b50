"""The effective sample size of answers that come in groups (a cluster sample)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import exp, lgamma
from typing import Final

_SHARES: Final = tuple((step + 0.5) / 24 for step in range(24))
_CORRELATIONS: Final = tuple((step + 0.5) / 16 for step in range(16))


def effective_size(groups: Sequence[tuple[int, int]]) -> float:
    """Return the number of independent answers with as much information as these.

    groups: (right, total) for each picture, total at least 1; no groups give 0. Answers about
    one picture are correlated: a hard one is missed every time. n answers are worth
    n / (1 + (m - 1) * correlation), m being the size of a group (L. Kish, Survey Sampling, 1965,
    5.4), for unequal groups sum(total^2) / n (A. Donner, N. Birkett and C. Buck, Am. J. Epidemiol.
    114 (1981) 906).
    """
    total = sum(size for _, size in groups)
    if total == len(groups):
        return float(total)
    size = sum(size**2 for _, size in groups) / total
    return total / (1 + (size - 1) * correlation(groups))


def correlation(groups: Sequence[tuple[int, int]]) -> float:
    """Return the correlation of answers within a group: 0 for independent, 1 for identical ones.

    The posterior mean under a beta-binomial model (J. G. Skellam, J. R. Stat. Soc. B 10 (1948)
    257) with flat priors of share and correlation. An estimate from moments is 0 / 0 where every
    answer is right, and near 0 where almost every one is: where the answers carry no information
    about it. Here it stays near 1/2 until they do.
    """
    counted = Counter(groups)
    weighed = []
    for within in _CORRELATIONS:
        both = (1 - within) / within  # the beta distribution's two parameters together
        for share in _SHARES:
            first, second = share * both, (1 - share) * both
            fixed = lgamma(both) - lgamma(first) - lgamma(second)
            likelihood = sum(
                times
                * (
                    fixed
                    + lgamma(first + right)
                    + lgamma(second + total - right)
                    - lgamma(both + total)
                )
                for (right, total), times in counted.items()
            )
            weighed.append((likelihood, within))
    best = max(likelihood for likelihood, _ in weighed)
    weights = [(exp(likelihood - best), within) for likelihood, within in weighed]
    return sum(weight * within for weight, within in weights) / sum(weight for weight, _ in weights)
