"""Student's t distribution, for means of a few measurements."""

from __future__ import annotations

from math import atan, cos, pi, sin, sqrt


def within(t: float, freedom: int) -> float:
    """Return the probability between -t and t with `freedom` (1 or more) degrees of freedom.

    Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term = total = cos(angle) if odd else 1.0
    for step in range(2 + odd, freedom - 1, 2):
        term *= cos(angle) ** 2 * (step - 1) / step
        total += term
    if not odd:
        return sin(angle) * total
    return 2 / pi * (angle + (sin(angle) * total if freedom > 1 else 0.0))


def student_t(freedom: int, confidence: float = 0.95) -> float:
    """Return the two-sided critical value of t for `confidence` (below 1)."""
    low, high = 0.0, 1.0
    while within(high, freedom) < confidence:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < confidence else (low, middle)
    return high
