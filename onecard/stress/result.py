"""What a stress run found: answers, and answers counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from onecard.measure.clusters import effective_size
from onecard.measure.wilson import difference, wilson
from onecard.smoke.report import percentile
from onecard.stress.cells import Cell

RIGHT, WRONG, EXCEEDS, FAILED = "right", "wrong", "exceeds limit", "failed"


@dataclass(frozen=True)
class Answer:
    """One request.

    image: the picture's file: answers about one picture are alike. outcome: right, wrong, exceeds
    limit or failed. limit: the context that it exceeds, tokens.
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
        del values["image"]  # its event names the kept picture
        return {**values.pop("cell"), **values}


@dataclass(frozen=True)
class Tally:
    """Answers counted. Accuracy is of those that were right or wrong, with its 95 % interval.

    effective: how many independent answers the right and wrong ones are worth, being about the
    same pictures; 0 where there are none.
    """

    right: int
    wrong: int
    exceeds: int
    failed: int
    effective: float

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Tally:
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
        """Return how many were right or wrong."""
        return self.right + self.wrong

    @property
    def accuracy(self) -> float | None:
        """Return the share that was right."""
        return self.right / self.asked if self.asked else None

    @property
    def share(self) -> str:
        """Return it in words: `9 of 12`."""
        return f"{self.right} of {self.asked}"

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the accuracy's 95 % interval."""
        return wilson(*self._worth)

    @property
    def low(self) -> float:
        """Return the interval's low end."""
        return self.interval[0] if self.interval else 0.0

    @property
    def high(self) -> float:
        """Return the interval's high end."""
        return self.interval[1] if self.interval else 1.0

    def is_better_than(self, other: Tally) -> bool:
        """Tell whether the accuracy is higher by more than chance explains (95 %).

        That both are about the same pictures is left out of account, which errs towards no.
        """
        found = difference(self._worth, other._worth)
        return found is not None and found[0] > 0

    @property
    def _worth(self) -> tuple[float, float]:
        return (self.accuracy or 0.0) * self.effective, self.effective

    def values(self) -> dict[str, Any]:
        """Return the values for an event."""
        low, high = self.interval or (None, None)
        return {**asdict(self), "asked": self.asked, "accuracy": self.accuracy} | {
            "low": low,
            "high": high,
        }


def cell_values(cell: Cell, prefix_tokens: int, answers: Sequence[Answer]) -> dict[str, Any]:
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


def median_tokens(answers: Sequence[Answer]) -> float | None:
    """Return the median of the prompts' tokens, as the server counted them."""
    tokens = [answer.prompt_tokens for answer in answers if answer.prompt_tokens is not None]
    return median(tokens) if tokens else None
