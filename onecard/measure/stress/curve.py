"""Grounding: the accuracy of picture questions against the length of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onecard.measure.stress.cells import BLIND_CONTROL, CONTROL, Cell
from onecard.measure.stress.result import Point, StressAnswer, Tally, median_tokens
from onecard.measure.stress.verdict import percent, verdict


@dataclass(frozen=True)
class Curve:
    """Grounding against length. guessable: the share that one fixed answer gets right.

    without_image: the control, the questions without their pictures. picture_tokens: the fewest
    tokens that a picture added to a prompt; None where the server counts none.
    """

    points: tuple[Point, ...]
    without_image: Tally
    guessable: float
    picture_tokens: int | None

    @classmethod
    def of(cls, answers: Sequence[StressAnswer], guessable: float) -> Curve:
        """Return the curve of a run's answers."""
        pictured = [answer for answer in answers if answer.cell != BLIND_CONTROL]
        lengths = sorted({answer.cell.target_tokens for answer in pictured})
        points = []
        for length in lengths:
            here = [answer for answer in pictured if answer.cell.target_tokens == length]
            points.append(Point(length, median_tokens(here), Tally.of(here)))
        blind = [answer for answer in answers if answer.cell == BLIND_CONTROL]
        return cls(tuple(points), Tally.of(blind), guessable, _picture_tokens(answers))

    @property
    def trouble(self) -> str:
        """Why the curve is not evidence of grounding; empty for a valid one."""
        if self.picture_tokens is not None and self.picture_tokens <= 0:
            return "a picture added no tokens to the prompt: the server drops pictures"
        control = self.points[0].tally if self.points else Tally.of(())
        if not control.asked:
            return "the questions were not answered even without a text"
        blind = self.without_image
        if not blind.asked:
            return "the questions were not answered without pictures, so there is no control"
        if not control.is_better_than(blind):
            return (
                "nothing shows that the answers come from the pictures: "
                f"{blind.share} right without them, {control.share} with"
            )
        if blind.low > self.guessable:
            return (
                f"{blind.share} are right without the pictures, more than guessing explains "
                f"({percent(self.guessable)}): the questions give their answers away"
            )
        if control.low <= self.guessable:
            return (
                f"without any text {control.share} are right, which guessing can reach "
                f"({percent(self.guessable)}): wrong model, or too few cases"
            )
        return ""

    @property
    def verdict(self) -> str:
        """The finding in a sentence."""
        return self.trouble or verdict(self.points, self.guessable)

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


def _picture_tokens(answers: Sequence[StressAnswer]) -> int | None:
    """Return the fewest tokens that a picture added to a case's prompt; None without counts."""

    def of(cell: Cell) -> dict[str, int]:
        return {
            answer.case: answer.prompt_tokens
            for answer in answers
            if answer.cell == cell and answer.prompt_tokens is not None
        }

    with_picture, without = of(CONTROL), of(BLIND_CONTROL)
    added = [with_picture[case] - without[case] for case in with_picture.keys() & without.keys()]
    return min(added, default=None)
