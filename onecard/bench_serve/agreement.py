"""Whether two generators found the same, given how much each differs from itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import mean, variance
from typing import Any, Final

FIGURES: Final = (
    ("requests/s", "requests_per_s", ""),
    ("prompt tokens/s", "prompt_tokens_per_s", ""),
    ("generation tokens/s", "generation_tokens_per_s", ""),
    ("TTFT p50", "ttft_s", "p50"),
    ("TPOT p50", "tpot_s", "p50"),
    ("latency p50", "latency_s", "p50"),
    ("latency p95", "latency_s", "p95"),
)
# Student's t, 97.5 % point, by degrees of freedom. Source: NIST/SEMATECH e-Handbook, 1.3.6.7.2.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_T_BEYOND = 1.96
_NO_MATTER: Final = 0.05  # a difference that nobody would act upon
_TOO_WIDE: Final = 2.0  # an interval from x to 2x says nothing about a ratio of 1


@dataclass(frozen=True)
class Row:
    """One figure by both generators: geometric means over the repeats.

    ratio: onecard's to vLLM's. low, high: its 95 % interval.
    """

    figure: str
    vllm: float
    onecard: float
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Return `agree`, `differ`, or `too noisy`: the repeats differ too much to tell."""
        if abs(self.ratio - 1) <= _NO_MATTER:
            return "agree"
        if not self.low <= 1 <= self.high:
            return "differ"
        return "too noisy" if self.high > _TOO_WIDE * self.low else "agree"

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "verdict": self.verdict}


def compare(figure: str, vllm: Sequence[float], onecard: Sequence[float]) -> Row:
    """Compare repeats of one figure by Welch's t on their logarithms; two or more of each.

    Logarithms, because a difference in time is a factor. Source: B. L. Welch, Biometrika 34 (1947)
    28.
    """
    ours, theirs = [log(each) for each in onecard], [log(each) for each in vllm]
    middle = mean(ours) - mean(theirs)
    parts = [variance(each) / len(each) for each in (ours, theirs)]
    total = sum(parts)
    half = 0.0
    if total > 0:
        sizes = (len(ours), len(theirs))
        bottom = sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
        half = student_t(total**2 / bottom) * sqrt(total)
    return Row(
        figure,
        exp(mean(theirs)),
        exp(mean(ours)),
        exp(middle),
        exp(middle - half),
        exp(middle + half),
    )


def student_t(freedom: float) -> float:
    """Return t's 97.5 % point; between whole degrees of freedom that of the lower one."""
    index = max(1, int(freedom)) - 1
    return _T[index] if index < len(_T) else _T_BEYOND


def agreement(vllm: Sequence[dict[str, Any]], onecard: Sequence[dict[str, Any]]) -> list[Row]:
    """Compare the repeats' figures (`load` events), leaving out those that one of them lacks."""
    rows = []
    for title, key, part in FIGURES:
        pair = [_values(loads, key, part) for loads in (vllm, onecard)]
        if all(len(each) > 1 and min(each) > 0 for each in pair):
            rows.append(compare(title, *pair))
    return rows


def _values(loads: Sequence[dict[str, Any]], key: str, part: str) -> list[float]:
    found = [load[key][part] if part else load[key] for load in loads]
    return [each for each in found if each is not None]
