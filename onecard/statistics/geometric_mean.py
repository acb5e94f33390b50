"""Geometric means of a few measurements, with Student's interval of their logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, log, sqrt
from statistics import mean, stdev

from onecard.statistics.t_quantile import student_t


@dataclass(frozen=True)
class Mean:
    """A geometric mean, and the interval that holds the true one: low to high."""

    value: float
    low: float
    high: float


def geometric_mean(values: Sequence[float], confidence: float = 0.95) -> Mean:
    """Return the mean of positive values, two or more.

    Logarithms, because times and rates differ by factors.
    """
    logs = [log(value) for value in values]
    half = student_t(len(logs) - 1, confidence) * stdev(logs) / sqrt(len(logs))
    return Mean(exp(mean(logs)), exp(mean(logs) - half), exp(mean(logs) + half))


def ratio_of(one: Mean, other: Mean) -> Mean:
    """Return `other` by `one`, all of them positive, with the interval that theirs imply.

    Their distances from the means, as logarithms, add up as squares. Source: G. Y. Zou and
    A. Donner, Statistics in Medicine 27 (2008) 1693.
    """
    value = log(other.value / one.value)
    below = hypot(log(other.value / other.low), log(one.high / one.value))
    above = hypot(log(other.high / other.value), log(one.value / one.low))
    return Mean(exp(value), exp(value - below), exp(value + above))
