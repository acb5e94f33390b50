"""Whether a trial is better than the best so far, by paired rounds, with the answers as guard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from onecard.measure.stress.result import Tally
from onecard.measure.stress.verdict import percent
from onecard.measure.tune.goal import Goal
from onecard.statistics.geometric_mean import Mean, geometric_mean

BETTER: Final = "better"
NOT_SHOWN: Final = "no gain shown"
MISSED: Final = "misses the goal"
ANSWERS: Final = "answers get worse"
FAILED: Final = "failed"
_SHOWN: Final = 100.0


@dataclass(frozen=True)
class Answers:
    """What the guards saw. smoke: cases that were right, less one where no picture was needed."""

    smoke: int
    cases: int
    grounding: Tally

    def why_worse(self, than: Answers) -> str:
        """Return how they are worse than other answers to the same questions; empty if not.

        Any smoke case that is lost counts: the questions are easy. Grounding counts beyond chance.
        """
        if self.smoke < than.smoke:
            return f"smoke {self.smoke} of {self.cases} right, {than.smoke} before"
        if than.grounding.is_better_than(self.grounding) or (
            self.grounding.failed > than.grounding.failed
        ):
            return f"beside a text {self.grounding.share} right, {than.grounding.share} before"
        return ""

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        found = self.grounding
        return {
            "smoke": self.smoke,
            "cases": self.cases,
            "grounding": found.right,
            "grounding_asked": found.asked,
        }


@dataclass(frozen=True)
class Judgement:
    """The outcome of a trial. reason: in a clause; gain, use: None where nothing was compared.

    gain: requests/s as a ratio to the best so far; use: the same of the largest share of a limit.
    """

    outcome: str
    reason: str
    gain: Mean | None = None
    use: Mean | None = None


def ratio(
    rounds: Sequence[float], before: Sequence[float], comparisons: int = 1, confidence: float = 0.95
) -> Mean:
    """Return the mean ratio of paired rounds, two or more.

    comparisons: how many are made; all their intervals hold together (Bonferroni's inequality).
    """
    pairs = [now / then for now, then in zip(rounds, before, strict=True)]
    return geometric_mean(pairs, 1 - (1 - confidence) / comparisons)


def shown(found: Mean) -> str:
    """Return `x 1.12 (1.05 to 1.20)`; of two noisy rounds an end may be any number."""
    high = f"{found.high:.2f}" if found.high < _SHOWN else f"more than {_SHOWN:g}"
    return f"x {found.value:.2f} ({found.low:.2f} to {high})"


def rates(rounds: Sequence[dict[str, Any]]) -> list[float]:
    """Return the requests/s of each round."""
    return [float(each["requests_per_s"]) for each in rounds]


def judge(
    goal: Goal,
    rounds: Sequence[dict[str, Any]],
    best: Sequence[dict[str, Any]],
    comparisons: int,
) -> Judgement:
    """Compare the loads of a trial with those of the best so far.

    Where the best misses the goal, a trial is better that comes nearer to it; where it meets the
    goal, one that meets it too and serves more requests/s: each beyond chance.
    """
    if failed := sum(load["failed"] for load in rounds):
        return Judgement(FAILED, f"{failed} requests failed under the load")
    uses, before = [[goal.use(load) for load in each] for each in (rounds, best)]
    gain = ratio(rates(rounds), rates(best), comparisons)
    use = ratio(uses, before, comparisons)
    reached = geometric_mean(uses).value
    if geometric_mean(before).value > 1:
        found = BETTER if use.high < 1 else NOT_SHOWN
        words = "meets the goal" if reached <= 1 else "still misses the goal"
        return Judgement(found, f"{words}, {percent(reached)} of the nearest limit", gain, use)
    if reached > 1:
        return Judgement(MISSED, f"{percent(reached)} of the nearest limit", gain, use)
    found = BETTER if gain.low > 1 else NOT_SHOWN
    return Judgement(found, f"{percent(reached)} of the nearest limit", gain, use)
