"""Percentiles of a sample."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the percentile by linear interpolation between closest ranks; None without values.

    Rank (n - 1) * percent / 100 of the sorted values, counted from 0: numpy's default, Hyndman and
    Fan's definition 7.
    """
    if not values:
        return None
    ordered = sorted(values)
    rank = (len(ordered) - 1) * percent / 100
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)
