"""The result of a stress run: answers, and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from onecard.measure.stress.cells import Cell
from onecard.statistics.clusters import effective_size
from onecard.statistics.percentile import percentile
from onecard.statistics.share_interval import difference, wilson

RIGHT, WRONG, EXCEEDS, FAILED = "right", "wrong", "exceeds limit", "failed"


@dataclass(frozen=True)
class StressAnswer:
    """The answer to one request.

    image: the picture's file; answers about one picture are correlated. outcome: right, wrong,
    exceeds limit or failed. limit: the context that it exceeds, tokens.
    """

    cell: Cell
    case: str
    image: str
    expected: tuple[str, ...]
    outcome: str
    given: str = ""
    prompt_tokens: int | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
    limit: int | None = None
    error: str = ""

    def values(self) -> dict[str, Any]:
        """Return the values of its event."""
        values = asdict(self)
        del values["image"]  # its event names the stored copy
        return {**values.pop("cell"), **values}


@dataclass(frozen=True)
class Tally:
    """Counts of answers. Accuracy is of those that were right or wrong, with its 95 % interval.

    effective: the effective sample size of the right and wrong answers, of which several are about
    one picture; 0 where there are none.
    """

    right: int
    wrong: int
    exceeds: int
    failed: int
    effective: float

    @classmethod
    def of(cls, answers: Sequence[StressAnswer]) -> Tally:
        """Count answers."""
        counted = Counter(answer.outcome for answer in answers)
        pictures: dict[str, list[bool]] = {}
        for answer in answers:
            if answer.outcome in {RIGHT, WRONG}:
                pictures.setdefault(answer.image, []).append(answer.outcome == RIGHT)
        groups = [(sum(each), len(each)) for each in pictures.values()]
        return cls(
            right=counted[RIGHT],
            wrong=counted[WRONG],
            exceeds=counted[EXCEEDS],
            failed=counted[FAILED],
            effective=effective_size(groups),
        )

    @property
    def asked(self) -> int:
        """The number of answers that were right or wrong."""
        return self.right + self.wrong

    @property
    def accuracy(self) -> float | None:
        """The share that was right; None without answers."""
        return self.right / self.asked if self.asked else None

    @property
    def share(self) -> str:
        """The accuracy in words: `9 of 12`."""
        return f"{self.right} of {self.asked}"

    @property
    def interval(self) -> tuple[float, float] | None:
        """The accuracy's 95 % confidence interval (Wilson); None without answers."""
        return wilson(*self._effective_counts)

    @property
    def low(self) -> float:
        """The interval's low end; 0 without answers."""
        return self.interval[0] if self.interval else 0.0

    @property
    def high(self) -> float:
        """The interval's high end; 1 without answers."""
        return self.interval[1] if self.interval else 1.0

    def is_better_than(self, other: Tally) -> bool:
        """Return whether the accuracy is higher by more than chance explains (95 %).

        That both are about the same pictures is not used, which errs towards False.
        """
        found = difference(self._effective_counts, other._effective_counts)
        return found is not None and found[0] > 0

    @property
    def _effective_counts(self) -> tuple[float, float]:
        return (self.accuracy or 0.0) * self.effective, self.effective

    def values(self) -> dict[str, Any]:
        """Return the values for an event."""
        low, high = self.interval or (None, None)
        return {**asdict(self), "asked": self.asked, "accuracy": self.accuracy} | {
            "low": low,
            "high": high,
        }


def cell_values(cell: Cell, prefix_tokens: int, answers: Sequence[StressAnswer]) -> dict[str, Any]:
    """Return the values of a `cell` event."""
    latencies = [answer.latency_s for answer in answers if answer.latency_s is not None]
    first = [answer.ttft_s for answer in answers if answer.ttft_s is not None]
    return {
        **asdict(cell),
        "prefix_tokens": prefix_tokens,
        "prompt_tokens": median_tokens(answers),
        **Tally.of(answers).values(),
        "latency_p50_s": percentile(latencies, 50),
        "latency_p95_s": percentile(latencies, 95),
        "ttft_p50_s": percentile(first, 50),
    }


@dataclass(frozen=True)
class Point:
    """All answers at one length. prompt_tokens: median of the server's counts."""

    target_tokens: int
    prompt_tokens: float | None
    tally: Tally


def median_tokens(answers: Sequence[StressAnswer]) -> float | None:
    """Return the median of the prompts' tokens, as the server counted them."""
    tokens = [answer.prompt_tokens for answer in answers if answer.prompt_tokens is not None]
    return median(tokens) if tokens else None
