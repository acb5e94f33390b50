"""Texts of a chosen number of tokens, counted by the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from onecard.measure.texts import words_of

_TRIES = 12
_CLOSE = 0.01  # of the target


@dataclass(frozen=True)
class Text:
    """A text, its length in tokens, counted by the server, and in words."""

    text: str
    tokens: int
    words: int


def text_of(
    kind: str,
    target: int,
    count: Callable[[str], int],
    seed: int = 0,
    guess: int = 0,
    *,
    close: float = _CLOSE,
) -> Text:
    """Return a text of at most `target` tokens, and within the share `close` (or 3 tokens) of it.

    count: the server's own count of a text's tokens (/tokenize). guess: words to try first, such
    as those of a text of this kind and length with another seed. A text's tokens grow with its
    words almost evenly, so a line through the last two counts finds the number of words in a few
    steps; the bounds found on the way prevent a loop.
    """
    if target <= 0:
        return Text("", 0, 0)
    best = Text("", 0, 0)
    low, high = 0, target + 1  # words known to fit, words known not to; a word is a token or more
    wanted = guess or max(1, target // 2)
    for _ in range(_TRIES):
        text = " ".join(islice(words_of(kind, seed), wanted))
        tokens = count(text)
        if tokens <= target:
            low = wanted
            if tokens > best.tokens:
                best = Text(text, tokens, wanted)
        else:
            high = wanted
        if high - low <= 1 or target - best.tokens <= max(3, int(target * close)):
            break
        guess = int(wanted * target / max(tokens, 1))
        wanted = min(max(guess, low + 1), high - 1)
    return best
