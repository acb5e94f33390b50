"""The scoreboard as a whole: how many figures were right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onecard.fit.scoreboard.check import CheckedStart, check
from onecard.fit.scoreboard.rows import read_rows

EXACT = 0.001


@dataclass(frozen=True)
class ScoreboardSummary:
    """Each pair: how many were right, of how many that can be checked."""

    rows: int
    bands: tuple[int, int]
    tokens: tuple[int, int]
    sure: tuple[int, int]

    def __str__(self) -> str:
        return (
            f"{self.rows} starts: {_of(self.bands)} bands hold, {_of(self.tokens)} token figures "
            f"are exact to 0.1 %, {_of(self.sure)} that were called sure did start"
        )


def results() -> tuple[CheckedStart, ...]:
    """Return every row of the project's scoreboard, checked."""
    return tuple(check(row) for row in read_rows())


def summary(found: Sequence[CheckedStart]) -> ScoreboardSummary:
    """Count what was right."""
    bands = [result.band_holds for result in found if result.band_holds is not None]
    tokens = [result.token_error for result in found if result.token_error is not None]
    sure = [
        not result.sure_and_wrong
        for result in found
        if result.planned.surely_fits and result.row.checkable != "tokens"
    ]
    return ScoreboardSummary(
        rows=len(found),
        bands=(sum(bands), len(bands)),
        tokens=(sum(error <= EXACT for error in tokens), len(tokens)),
        sure=(sum(sure), len(sure)),
    )


def _of(pair: tuple[int, int]) -> str:
    return f"{pair[0]} of {pair[1]}"
