"""Texts of any length to put beside a picture question.

repeated    one sentence repeated, as in the usual stress test; another for each seed
prose       varied sentences about nothing in the pictures
distractor  sentences about other foods and shapes, which a model may confuse with the picture
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle
from typing import Final

KINDS: Final = ("repeated", "prose", "distractor")

_WHO = (
    "The night train", "An old map", "Her letter", "The harbour office", "A cold wind",
    "The second witness", "My neighbour", "The town council", "A quiet engine", "The report",
    "Every winter the river", "The clockmaker", "A long corridor", "The radio", "This ledger",
)  # fmt: skip
_DID = (
    "arrived later than", "was kept behind", "told nothing about", "leaned against",
    "changed its mind after", "passed slowly over", "stood between", "was paid for by",
    "could be heard from", "had been promised to", "never quite matched", "was copied out for",
)  # fmt: skip
_WHAT = (
    "the station master", "three empty houses", "the winter of that year", "a locked drawer",
    "the people upstairs", "an unpaid bill", "the southern road", "a rehearsal of the choir",
    "two retired sailors", "the map of the county", "an early frost", "the last committee",
    "the school by the bridge", "a borrowed umbrella", "the price of coal",
)  # fmt: skip
_THINGS = (
    "a red circle", "a green square", "a blue triangle", "a yellow circle", "a red square",
    "a green triangle", "a blue circle", "a yellow square", "a bowl of ramen", "a slice of cake",
    "a plate of tacos", "a green salad", "an apple pie", "a cheese sandwich", "a cup of tea",
)  # fmt: skip
_SHOWN = (
    "The previous picture showed", "In another photo there was", "Somebody described",
    "The first example was", "On the poster one could see", "A different image contained",
    "Yesterday's picture was", "The catalogue lists",
)  # fmt: skip


def words_of(kind: str, seed: int) -> Iterator[str]:
    """Yield the text's words without end; the same for the same kind and seed."""
    # The kind is part of the seed: two kinds with one seed are not the same choices.
    chance = random.Random(f"{kind}/{seed}")  # noqa: S311  # a text, not a secret
    if kind == "repeated":
        yield from cycle(_prose(chance).split(" "))
    sentence = _distractor if kind == "distractor" else _prose
    while True:
        yield from sentence(chance).split(" ")


def _distractor(chance: random.Random) -> str:
    return f"{chance.choice(_SHOWN)} {chance.choice(_THINGS)}."


def _prose(chance: random.Random) -> str:
    return f"{chance.choice(_WHO)} {chance.choice(_DID)} {chance.choice(_WHAT)}."
