"""What a smoke run found. Values and arithmetic only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

JSON_DIGITS = 4  # a tenth of a millisecond


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


@dataclass(frozen=True)
class CaseResult:
    """One case. A case passes when every repeat is answered right.

    given: the first wrong answer, else the first answer; `error` instead where none could be had.
    latency_s, ttft_s: medians over the repeats, seconds; None where no repeat was answered.
    latencies_s, ttfts_s: of each repeat that was answered, seconds.
    """

    name: str
    question: str
    expected: tuple[str, ...]
    given: str
    passed: bool
    latency_s: float | None
    ttft_s: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    error: str = ""
    latencies_s: tuple[float, ...] = ()
    ttfts_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class PictureControl:
    """The picture questions asked once more, without their pictures.

    asked: how many. right_with, right_without: how many were answered right.
    guessable: how many a fixed answer, the luckiest of the expected ones, would get right.
    added_tokens: the fewest prompt tokens that a picture added; None where the server counts none.
    """

    asked: int
    right_with: int
    right_without: int
    guessable: int
    added_tokens: int | None

    @property
    def failure(self) -> str:
        """Why the answers cannot come from the pictures; empty where nothing speaks against it."""
        if self.added_tokens is not None and self.added_tokens <= 0:
            return "a picture added no tokens to the prompt: the server drops pictures"
        score = f"{self.right_without} of {self.asked} right without the pictures"
        if 0 < self.right_with <= self.right_without:
            return f"the answers do not come from the pictures: {score}, {self.right_with} with"
        if self.right_without > self.guessable:
            return (
                f"the answers do not come from the pictures: {score}, "
                f"guessing explains at most {self.guessable}"
            )
        return ""


@dataclass(frozen=True)
class SmokeReport:
    """The whole run.

    control: None where no case has a picture.
    warmup_s: seconds of the first request. steady_s: seconds of each later, answered request.
    """

    host: str
    model: str
    cases: tuple[CaseResult, ...]
    control: PictureControl | None
    warmup_s: float
    steady_s: tuple[float, ...]

    @property
    def passed(self) -> int:
        """How many cases were answered right."""
        return sum(case.passed for case in self.cases)

    @property
    def failed(self) -> int:
        """How many cases were not, plus one where the picture control failed: 0 means all good."""
        control_failed = self.control is not None and bool(self.control.failure)
        return len(self.cases) - self.passed + control_failed

    @property
    def ok(self) -> bool:
        """Whether the smoke test passed."""
        return self.failed == 0

    def to_json(self) -> dict[str, Any]:
        """Return plain values; times in seconds."""
        control = None
        if self.control is not None:
            control = {**asdict(self.control), "failure": self.control.failure}
        return {
            "host": self.host,
            "model": self.model,
            "passed": self.passed,
            "failed": self.failed,
            "warmup_s": _rounded(self.warmup_s),
            "steady_p50_s": _rounded(percentile(self.steady_s, 50)),
            "steady_p95_s": _rounded(percentile(self.steady_s, 95)),
            "picture_control": control,
            "cases": [
                {
                    **asdict(case),
                    "expected": list(case.expected),
                    "latency_s": _rounded(case.latency_s),
                    "ttft_s": _rounded(case.ttft_s),
                    "latencies_s": [_rounded(each) for each in case.latencies_s],
                    "ttfts_s": [_rounded(each) for each in case.ttfts_s],
                }
                for case in self.cases
            ],
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, JSON_DIGITS)
