"""The result of a smoke run. Values and arithmetic only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from onecard.statistics.percentile import percentile

JSON_DIGITS = 4  # a tenth of a millisecond


@dataclass(frozen=True)
class CaseResult:
    """The result of one case. A case passes when every repeat is answered right.

    given: the first wrong answer, else the first answer; empty without any, see `error`.
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
    """The picture questions sent once more, without their pictures.

    asked: how many questions. right_with, right_without: how many were answered right.
    guessable: how many the best fixed answer, one of the expected ones, would get right.
    added_tokens: the fewest prompt tokens that a picture added; None where the server counts none.
    """

    asked: int
    right_with: int
    right_without: int
    guessable: int
    added_tokens: int | None

    @property
    def failure(self) -> str:
        """Why the answers cannot come from the pictures; empty if the control passed."""
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
        """The number of cases that were answered right."""
        return sum(case.passed for case in self.cases)

    @property
    def failed(self) -> int:
        """The number of failed cases, plus one if the picture control failed; 0 means a pass."""
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
