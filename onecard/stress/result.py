"""What a stress run found: answers, cells, the curve of grounding against length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from onecard.measure.wilson import difference, wilson
from onecard.smoke.report import percentile
from onecard.stress.cells import BLIND_CONTROL, CONTROL, Cell

RIGHT, WRONG, EXCEEDS, FAILED = "right", "wrong", "exceeds limit", "failed"


@dataclass(frozen=True)
class Answer:
    """One request.

    outcome: right, wrong, exceeds limit or failed. limit: the context that it exceeds, tokens.
    """

    cell: Cell
    case: str
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
        return {**values.pop("cell"), **values}


@dataclass(frozen=True)
class Tally:
    """Answers counted. Accuracy is of those that were right or wrong, with its 95 % interval."""

    right: int
    wrong: int
    exceeds: int
    failed: int

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Tally:
        """Count answers."""
        counts = [
            sum(answer.outcome == outcome for answer in answers)
            for outcome in (RIGHT, WRONG, EXCEEDS, FAILED)
        ]
        return cls(*counts)

    @property
    def asked(self) -> int:
        """Return how many were right or wrong."""
        return self.right + self.wrong

    @property
    def accuracy(self) -> float | None:
        """Return the share that was right."""
        return self.right / self.asked if self.asked else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the accuracy's 95 % interval."""
        return wilson(self.right, self.asked)

    def is_better_than(self, other: Tally) -> bool:
        """Tell whether the accuracy is higher by more than chance explains (95 %)."""
        found = difference((self.right, self.asked), (other.right, other.asked))
        return found is not None and found[0] > 0

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
        "prompt_tokens": _median_tokens(answers),
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


@dataclass(frozen=True)
class Curve:
    """Grounding against length. guessable: the share that one fixed answer gets right.

    without_image: the control that is asked without its pictures. picture_tokens: the fewest
    tokens that a picture added to a prompt; None where the server counts none.
    """

    points: tuple[Point, ...]
    without_image: Tally
    guessable: float
    picture_tokens: int | None

    @classmethod
    def of(cls, answers: Sequence[Answer], guessable: float) -> Curve:
        """Sum up a run's answers."""
        seen = [answer for answer in answers if answer.cell != BLIND_CONTROL]
        lengths = sorted({answer.cell.target_tokens for answer in seen})
        points = []
        for length in lengths:
            here = [answer for answer in seen if answer.cell.target_tokens == length]
            points.append(Point(length, _median_tokens(here), Tally.of(here)))
        blind = [answer for answer in answers if answer.cell == BLIND_CONTROL]
        return cls(tuple(points), Tally.of(blind), guessable, _picture_tokens(answers))

    @property
    def trouble(self) -> str:
        """Why the curve says nothing of grounding; empty where nothing speaks against it."""
        if self.picture_tokens is not None and self.picture_tokens <= 0:
            return "a picture added no tokens to the prompt: the server drops pictures"
        control = self.points[0].tally if self.points else Tally(0, 0, 0, 0)
        if not control.asked:
            return "the questions were not answered even without a text"
        blind = self.without_image
        if blind.right >= control.right:
            return (
                f"the answers do not come from the pictures: {_share(blind)} right without them, "
                f"{_share(control)} with"
            )
        low, _ = control.interval or (0.0, 1.0)
        if low <= self.guessable:
            return (
                f"without any text {_share(control)} are right, which guessing can reach "
                f"({100 * self.guessable:.0f} %): wrong model, or too few cases"
            )
        return ""

    @property
    def verdict(self) -> str:
        """Return the finding in a sentence."""
        if self.trouble:
            return self.trouble
        control, *others = [point for point in self.points if point.tally.asked]
        before = f"{_share(control.tally)} right without a text"
        if not others:
            return f"{before}; no text fitted into the context"
        worse = [point for point in others if control.tally.is_better_than(point.tally)]
        if not worse:
            last = others[-1]
            return (
                f"{before}, {_share(last.tally)} behind {last.target_tokens:,} tokens: no loss "
                "beyond chance"
            )
        first, last = worse[0], others[-1]
        found = f"{before}, {_share(first.tally)} from {first.target_tokens:,} tokens of text on"
        if last is not first:
            found += f", {_share(last.tally)} at {last.target_tokens:,}"
        lost = [p for p in others if (p.tally.interval or (0, 1))[0] <= self.guessable]
        guessed = next((p for p in lost if all(q in lost for q in others[others.index(p) :])), None)
        if guessed is not None:
            found += f"; from {guessed.target_tokens:,} on guessing does as well"
        return found

    def values(self) -> dict[str, Any]:
        """Return the values of the `curve` event."""
        return {
            "points": [
                {
                    "target_tokens": point.target_tokens,
                    "prompt_tokens": point.prompt_tokens,
                    **point.tally.values(),
                }
                for point in self.points
            ],
            "guessable": self.guessable,
            "without_image": {
                "right": self.without_image.right,
                "asked": self.without_image.asked,
            },
            "picture_tokens": self.picture_tokens,
            "trouble": self.trouble,
            "verdict": self.verdict,
        }


def _share(tally: Tally) -> str:
    return f"{tally.right} of {tally.asked}"


def _median_tokens(answers: Sequence[Answer]) -> float | None:
    tokens = [answer.prompt_tokens for answer in answers if answer.prompt_tokens is not None]
    return median(tokens) if tokens else None


def _picture_tokens(answers: Sequence[Answer]) -> int | None:
    """Compare each case's prompt with its picture and without."""

    def of(cell: Cell) -> dict[str, int]:
        return {
            answer.case: answer.prompt_tokens
            for answer in answers
            if answer.cell == cell and answer.prompt_tokens is not None
        }

    with_picture, without = of(CONTROL), of(BLIND_CONTROL)
    added = [with_picture[case] - without[case] for case in with_picture.keys() & without.keys()]
    return min(added, default=None)
