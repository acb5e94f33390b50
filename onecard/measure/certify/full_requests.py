"""Requests that fill a context: a picture, a long text, and an output that takes the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from onecard.api.client import Client
from onecard.errors import UsageError
from onecard.measure.bench.loads import body, varied
from onecard.measure.length import text_of

_QUESTION: Final = "\n\nDescribe the image, then the text."
_SPARE: Final = 16  # tokens by which a count of parts may differ from that of the whole
_CLOSE: Final = 0.001  # of a text's tokens
_SHORTEST: Final = 64  # tokens of text


class FullRequests:
    """Builds requests of `ctx` tokens in all, picture first.

    picture: a file that is varied, so that no two requests show the same one. seed: of texts and
    pictures; requests with different seeds share no cache entries.
    Raises UsageError where a picture and a question alone take more than `ctx` tokens.
    """

    def __init__(self, api: Client, ctx: int, picture: Path, seed: int) -> None:
        self._api, self._ctx, self._picture, self._seed = api, ctx, picture, seed
        self._words = 0
        content = [self._image(seed), {"type": "text", "text": _QUESTION}]
        alone = api.chat([{"role": "user", "content": content}], max_tokens=1)
        self._beside_text = alone.prompt_tokens or 0
        least = self._beside_text + _SPARE + 2 * _SHORTEST
        if ctx < least:
            raise UsageError(
                f"--ctx: {ctx:,} tokens are too few for a picture, a question and a text; "
                f"use {least:,} or more"
            )

    def different(self, count: int, output_tokens: int) -> list[dict[str, Any]]:
        """Return `count` requests that share no prefix but the chat's own first tokens."""
        return [self._request(self._next(), output_tokens, ("",))[0] for _ in range(count)]

    def shared(self, count: int, output_tokens: int) -> list[dict[str, Any]]:
        """Return `count` requests about one picture and one text; only their ends differ."""
        ends = tuple(f" ({number})" for number in range(1, count + 1))
        return self._request(self._next(), output_tokens, ends)

    def _next(self) -> int:
        self._seed += 1
        return self._seed

    def _request(self, seed: int, output_tokens: int, ends: Sequence[str]) -> list[dict[str, Any]]:
        """Return a request for each end, with at least `output_tokens` of output."""
        room = self._ctx - self._beside_text - _SPARE
        target = max(_SHORTEST, room - output_tokens)
        text = text_of("prose", target, self._api.count_tokens, seed, self._words, close=_CLOSE)
        self._words = text.words
        image = self._image(seed)
        return [
            body(
                self._api.model,
                [image, {"type": "text", "text": text.text + _QUESTION + end}],
                room - text.tokens,
            )
            for end in ends
        ]

    def _image(self, seed: int) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": varied(self._picture, seed)}}
