"""The cells of a stress run: which requests it sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from onecard.smoke.case import Case

POSITIONS: Final = ("image first", "image last")
NO_PREFIX, NO_IMAGE = "none", "no image"
_SHORTEST, _FACTOR = 64, 4
_NEAR_THE_LIMIT = 0.9  # of the context


@dataclass(frozen=True)
class Cell:
    """A kind of text (`none` in the controls), the picture's place, and the text's tokens."""

    prefix: str
    position: str
    target_tokens: int

    @property
    def title(self) -> str:
        """The cell in a few words."""
        if self.prefix == NO_PREFIX:
            return "no image" if self.position == NO_IMAGE else "no text"
        return f"{self.prefix}, {self.position}, {self.target_tokens:,} tokens"


CONTROL: Final = Cell(NO_PREFIX, POSITIONS[0], 0)
BLIND_CONTROL: Final = Cell(NO_PREFIX, NO_IMAGE, 0)


def cells(
    lengths: Sequence[int], kinds: Sequence[str], positions: Sequence[str]
) -> tuple[Cell, ...]:
    """Return the controls, then every combination, short texts first."""
    return (
        CONTROL,
        BLIND_CONTROL,
        *(
            Cell(kind, position, length)
            for length in sorted(lengths)
            for kind in kinds
            for position in positions
        ),
    )


def default_lengths(ctx: int) -> tuple[int, ...]:
    """Return 64, 256, 1,024 ... tokens, one near the context's end, and one that exceeds it."""
    found = []
    length = _SHORTEST
    while length < _NEAR_THE_LIMIT * ctx / 2:
        found.append(length)
        length *= _FACTOR
    return (*found, int(_NEAR_THE_LIMIT * ctx), ctx)


def messages(case: Case, text: str, position: str) -> list[dict[str, Any]]:
    """Return the chat messages of one request.

    image first: picture, text, question. image last: text, picture, question.
    """
    found = case.messages(picture=position != NO_IMAGE)
    parts = found[0]["content"]
    if text:
        part = {"type": "text", "text": text + "\n\n"}
        parts.insert(0 if position == "image last" else len(parts) - 1, part)
    return found
