"""The mix of requests of a soak: conversations about pictures, aborted requests, wrong ones."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from PIL import Image

from onecard.measure.texts import words_of

_Choice = TypeVar("_Choice", int, str)

CONVERSATION: Final = "conversation"
ABORTED: Final = "aborted"
WRONG: Final = "wrong"
SIZES: Final = ((64, 64), (224, 224), (336, 448), (640, 480), (768, 1024))  # pixels
_KINDS: Final = {CONVERSATION: 80, ABORTED: 10, WRONG: 10}  # of a hundred arrivals
_PICTURES: Final = {0: 20, 1: 50, 2: 20, 3: 10}  # of a hundred conversations
_TURNS: Final = {1: 40, 2: 30, 3: 20, 4: 10}
_DRAWN: Final = 32  # pictures of each soak: a server's cache of pictures is soon as full as it gets
_TEXT: Final = (1 / 64, 1.2)  # median of a turn's text, of the context; sigma of its logarithm
_OUTPUT: Final = (64, 0.8)  # the same of an answer, in tokens
_SHARE: Final = 0.9  # of the context that a conversation may fill
MEAN_REQUESTS: Final = sum(
    share / 100 * (2.0 if kind == CONVERSATION else 1.0) for kind, share in _KINDS.items()
)  # of an arrival: a conversation has two turns on average


@dataclass(frozen=True)
class Limits:
    """What a server takes. ctx: tokens. pictures: in a request, at most.

    picture_tokens: of the largest picture. words_per_token: of the texts.
    """

    ctx: int
    pictures: int
    picture_tokens: int
    words_per_token: float


@dataclass(frozen=True)
class Turn:
    """One request of a conversation: what the user adds, and the longest answer in tokens."""

    content: tuple[dict[str, Any], ...]
    max_tokens: int


@dataclass(frozen=True)
class Arrival:
    """What comes in at one moment. number: counts them; seed of all that is drawn for it."""

    number: int
    kind: str
    turns: tuple[Turn, ...]


class Traffic:
    """Draws arrivals; the same seed draws the same ones.

    picture: a file that all pictures are made from, in other sizes and colours.
    """

    def __init__(self, limits: Limits, picture: Path, seed: int) -> None:
        self._limits, self._seed = limits, seed
        self._pictures = tuple(_drawn(picture, seed + number) for number in range(_DRAWN))

    def arrival(self, number: int) -> Arrival:
        """Return the arrival of a number."""
        chance = random.Random(f"{self._seed}/{number}")  # noqa: S311  # traffic, not a secret
        kind = _one_of(chance, _KINDS)
        count = _one_of(chance, _TURNS) if kind == CONVERSATION else 1
        fitting = int(_SHARE / 2 * self._limits.ctx / max(self._limits.picture_tokens, 1))
        pictures = min(_one_of(chance, _PICTURES), self._limits.pictures, fitting)
        left = _SHARE * self._limits.ctx - pictures * self._limits.picture_tokens
        turns = []
        for turn in range(count):
            output = int(_drawn_length(chance, *_OUTPUT, left / 4))
            text = _drawn_length(chance, _TEXT[0] * self._limits.ctx, _TEXT[1], left / 2 - output)
            left -= text + output
            shown = chance.choices(self._pictures, k=pictures) if turn == 0 else []
            turns.append(Turn((*shown, self._text(chance, text)), output))
        return Arrival(number, kind, tuple(turns))

    def _text(self, chance: random.Random, tokens: float) -> dict[str, Any]:
        count = max(1, int(tokens * self._limits.words_per_token))
        words = islice(words_of("prose", chance.getrandbits(32)), count)
        return {"type": "text", "text": f"{' '.join(words)}\n\nWhat do you see?"}


def largest_picture(picture: Path) -> dict[str, Any]:
    """Return the largest picture that a soak sends, as a part of a message."""
    return _part(picture, SIZES[-1], 0)


def _drawn(picture: Path, seed: int) -> dict[str, Any]:
    return _part(picture, SIZES[seed % len(SIZES)], seed)


def _part(picture: Path, size: tuple[int, int], seed: int) -> dict[str, Any]:
    """Return a picture in a size, with a few pixels changed by the seed."""
    chance = random.Random(seed)  # noqa: S311  # a picture, not a secret
    with Image.open(picture) as opened:
        shown = opened.convert("RGB").resize(size)
    for _ in range(8):
        place = (chance.randrange(size[0]), chance.randrange(size[1]))
        shown.putpixel(place, tuple(chance.randrange(256) for _ in range(3)))
    data = io.BytesIO()
    shown.save(data, "PNG")
    url = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": url}}


def _drawn_length(chance: random.Random, median: float, sigma: float, most: float) -> float:
    """Return a log-normal length: many short ones, a few very long ones; at most `most`."""
    return max(1.0, min(median * chance.lognormvariate(0.0, sigma), most))


def _one_of(chance: random.Random, shares: Mapping[_Choice, int]) -> _Choice:
    return chance.choices(list(shares), weights=list(shares.values()))[0]
