"""Whether two generators find the same: shown to, shown not to, or neither.

Both make one load in turn. What differs between them is told from noise by the ratio in each round,
so that a box which grows busier meanwhile slows both. "No difference is seen" is not agreement:
figures agree when the whole confidence interval of their ratio lies within a margin (two one-sided
tests: D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import mean, stdev
from typing import Any, Final

from onecard.measure.student import student_t

FIGURES: Final = (
    ("requests/s", "requests_per_s", ""),
    ("prompt tokens/s", "prompt_tokens_per_s", ""),
    ("generation tokens/s", "generation_tokens_per_s", ""),
    ("TTFT p50", "ttft_s", "p50"),
    ("TPOT p50", "tpot_s", "p50"),
    ("latency p50", "latency_s", "p50"),
    ("latency p95", "latency_s", "p95"),
)
AGREE, DIFFER, NOT_SHOWN = "agree", "differ", "not shown"
# The usual margin of equivalence, the same either way for a factor. The sweep's own steps are wider
# (its rates are a factor of 1.6 apart): no choice that a bench is made for hangs on less.
MARGIN: Final = (0.8, 1.25)
_NO_MATTER: Final = 1.05  # a factor that nobody would act upon, shown or not
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Row:
    """One figure by both generators: geometric means over the rounds.

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
        """Return `agree`, `differ`, or `not shown`: the rounds vary too much to tell."""
        matters = not 1 / _NO_MATTER <= self.ratio <= _NO_MATTER
        if matters and not self.low <= 1 <= self.high:
            return DIFFER
        return AGREE if MARGIN[0] <= self.low and self.high <= MARGIN[1] else NOT_SHOWN

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Agreement:
    """All figures of a load after so many rounds."""

    load: str
    rows: tuple[Row, ...]
    rounds: int

    @classmethod
    def of(
        cls,
        load: str,
        vllm: Sequence[dict[str, Any]],
        onecard: Sequence[dict[str, Any]],
        looks: int = 1,
    ) -> Agreement:
        """Compare the figures (`load` events) of rounds, two or more.

        A figure that one of the loads lacks is left out. looks: how often the rounds are looked at
        at most, see `compare`.
        """
        rows = []
        for title, key, part in FIGURES:
            theirs, ours = (_values(loads, key, part) for loads in (vllm, onecard))
            if all(theirs) and all(ours):
                rows.append(compare(title, theirs, ours, looks))
        return cls(load, tuple(rows), len(vllm))

    def named(self, verdict: str) -> list[str]:
        """Return the figures of a verdict."""
        return [row.figure for row in self.rows if row.verdict == verdict]

    @property
    def is_told(self) -> bool:
        """Whether more rounds would tell nothing more."""
        return not self.named(NOT_SHOWN)

    @property
    def verdict(self) -> str:
        """Return `agree` where every figure does, `differ` where one does, else `not shown`."""
        if self.named(DIFFER):
            return DIFFER
        return AGREE if self.rows and self.is_told else NOT_SHOWN

    @property
    def finding(self) -> str:
        """Return the verdict in a sentence."""
        if not self.rows:
            return "the generators are not shown to agree: no load of both has figures"
        low, high = MARGIN
        if self.verdict == AGREE:
            return f"the generators agree: every ratio is shown to lie within {low} to {high}"
        not_shown = ", ".join(self.named(NOT_SHOWN))
        if self.verdict == DIFFER:
            found = f"the generators differ in {', '.join(self.named(DIFFER))}"
            return f"{found}; not shown either way: {not_shown}" if not_shown else found
        return (
            f"the generators are not shown to agree in {not_shown}: after {self.rounds} rounds "
            f"noise still explains ratios beyond {low} to {high}"
        )

    def values(self) -> dict[str, Any]:
        """Return the values of the `agreement` event."""
        return {
            "load": self.load,
            "repeats": self.rounds,
            "margin": list(MARGIN),
            "rows": [row.values() for row in self.rows],
            "agrees": self.verdict == AGREE,
            "verdict": self.verdict,
            "finding": self.finding,
        }


def looks_at(least: int, most: int) -> tuple[int, ...]:
    """Return after how many rounds to look whether all is told: `least`, doubled up to `most`."""
    found = [least]
    while found[-1] < most:
        found.append(min(2 * found[-1], most))
    return tuple(found)


def compare(figure: str, vllm: Sequence[float], onecard: Sequence[float], looks: int = 1) -> Row:
    """Compare one figure in rounds, two or more, by Student's t of the ratios' logarithms.

    Logarithms, because a difference in time is a factor. looks: an interval that is looked at again
    and again until it pleases misses the truth more often than it says. These hold at every look
    together (repeated confidence intervals: C. Jennison and B. W. Turnbull, J. R. Stat. Soc. B 51
    (1989) 305; here by Bonferroni's inequality).
    """
    ratios = [log(ours / theirs) for ours, theirs in zip(onecard, vllm, strict=True)]
    middle = mean(ratios)
    confidence = 1 - (1 - _CONFIDENCE) / looks
    half = student_t(len(ratios) - 1, confidence) * stdev(ratios) / sqrt(len(ratios))
    return Row(
        figure,
        exp(mean(map(log, vllm))),
        exp(mean(map(log, onecard))),
        exp(middle),
        exp(middle - half),
        exp(middle + half),
    )


def _values(loads: Sequence[dict[str, Any]], key: str, part: str) -> list[float]:
    return [(load[key][part] if part else load[key]) or 0.0 for load in loads]
