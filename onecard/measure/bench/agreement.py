"""Equivalence of two load generators: they agree, they differ, or neither is shown.

Both make the same load in turn. Their difference is separated from noise by the ratio in each
round, so that a box which grows busier meanwhile slows both. "No difference" is not agreement:
figures agree when the whole confidence interval of their ratio lies within a margin (two one-sided
tests: D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from onecard.statistics.geometric_mean import geometric_mean

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
# (its rates are a factor of 1.6 apart): no decision that a bench is made for depends on less.
MARGIN: Final = (0.8, 1.25)
_NEGLIGIBLE: Final = 1.05  # a factor that nobody would act upon, significant or not
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class AgreementRow:
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
        """Return `agree`, `differ`, or `not shown`: the rounds vary too much to decide."""
        matters = not 1 / _NEGLIGIBLE <= self.ratio <= _NEGLIGIBLE
        if matters and not self.low <= 1 <= self.high:
            return DIFFER
        return AGREE if MARGIN[0] <= self.low and self.high <= MARGIN[1] else NOT_SHOWN

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Agreement:
    """The comparison of all figures of one load after `rounds` rounds."""

    load: str
    rows: tuple[AgreementRow, ...]
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

        A figure that one of the loads lacks is left out. looks: how often the rounds are evaluated
        at most, see `compare`.
        """
        rows = []
        for title, key, part in FIGURES:
            theirs, ours = (_values(loads, key, part) for loads in (vllm, onecard))
            if all(theirs) and all(ours):
                rows.append(compare(title, theirs, ours, looks))
        return cls(load, tuple(rows), len(vllm))

    def named(self, verdict: str) -> list[str]:
        """Return the names of the figures with this verdict."""
        return [row.figure for row in self.rows if row.verdict == verdict]

    @property
    def is_settled(self) -> bool:
        """Whether every figure is decided, so that more rounds would add nothing."""
        return not self.named(NOT_SHOWN)

    @property
    def verdict(self) -> str:
        """Return `agree` where every figure does, `differ` where one does, else `not shown`."""
        if self.named(DIFFER):
            return DIFFER
        return AGREE if self.rows and self.is_settled else NOT_SHOWN

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
    """Return the numbers of rounds after which to evaluate: `least`, doubled up to `most`."""
    found = [least]
    while found[-1] < most:
        found.append(min(2 * found[-1], most))
    return tuple(found)


def compare(
    figure: str, vllm: Sequence[float], onecard: Sequence[float], looks: int = 1
) -> AgreementRow:
    """Compare one figure in rounds, two or more, by Student's t of the ratios' logarithms.

    Logarithms, because a difference in time is a factor. looks: an interval that is evaluated
    again and again until it pleases covers the true value less often than its level. These hold at
    every evaluation together (repeated confidence intervals: C. Jennison and B. W. Turnbull, J. R.
    Stat. Soc. B 51 (1989) 305; here by Bonferroni's inequality).
    """
    confidence = 1 - (1 - _CONFIDENCE) / looks
    ratio = geometric_mean(
        [mine / other for mine, other in zip(onecard, vllm, strict=True)], confidence
    )
    return AgreementRow(
        figure,
        geometric_mean(vllm).value,
        geometric_mean(onecard).value,
        ratio.value,
        ratio.low,
        ratio.high,
    )


def _values(loads: Sequence[dict[str, Any]], key: str, part: str) -> list[float]:
    return [(load[key][part] if part else load[key]) or 0.0 for load in loads]
