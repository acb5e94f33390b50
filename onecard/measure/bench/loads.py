"""The loads of a bench, and the requests of each."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from onecard.measure.length import text_of

_RATE_SHARES = (0.5, 0.8)  # of the most requests a second that the concurrencies reached
_QUESTION = "\n\nDescribe the image."


@dataclass(frozen=True)
class Load:
    """One load.

    rate: requests/s offered, at random times (Poisson); None sends as fast as `concurrency` allows.
    concurrency: requests in flight at most; None for no limit. images: in each request.
    seed: of the texts and pictures: loads with different seeds share no cache entries.
    """

    name: str
    requests: int
    input_tokens: int
    output_tokens: int
    images: int
    concurrency: int | None = None
    rate: float | None = None
    seed: int = 0

    @property
    def offered(self) -> dict[str, Any]:
        """Return the values of its `load` event other than the figures."""
        return {
            "name": self.name,
            "rate": self.rate,
            "concurrency": self.concurrency,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "images": self.images,
            "requests": self.requests,
        }


def auto_rates(best: float) -> tuple[float, ...]:
    """Return request rates below and near the highest that the concurrencies reached.

    best: that highest rate, requests/s. Empty where it is 0.
    """
    if best <= 0:
        return ()
    return tuple(float(f"{share * best:.3g}") for share in _RATE_SHARES)


class Requests:
    """Builds the contents of requests.

    count: the server's own count of a text's tokens. pictures: files that are varied, so that no
    two requests show the same one: a server caches the pictures of earlier requests.
    """

    def __init__(self, count: Callable[[str], int], pictures: Sequence[Path]) -> None:
        self._count, self._pictures = count, pictures
        self._words: dict[int, int] = {}

    def contents(self, load: Load) -> list[list[dict[str, Any]]]:
        """Return the content of each request's message: pictures, then a text."""
        return [self._content(load, number) for number in range(load.requests)]

    def _content(self, load: Load, number: int) -> list[dict[str, Any]]:
        seed = 100_000 * load.seed + number
        text = text_of(
            "prose", load.input_tokens, self._count, seed, self._words.get(load.input_tokens, 0)
        )
        self._words[load.input_tokens] = text.words
        parts = [self._picture(seed + 1000 * each) for each in range(load.images)]
        return [*parts, {"type": "text", "text": text.text + (_QUESTION if load.images else "")}]

    def _picture(self, seed: int) -> dict[str, Any]:
        path = self._pictures[seed % len(self._pictures)]
        return {"type": "image_url", "image_url": {"url": varied(path, seed)}}


def varied(path: Path, seed: int) -> str:
    """Return a picture as a data URL, with a few pixels changed by `seed`."""
    chance = random.Random(seed)  # noqa: S311  # a picture, not a secret
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    for _ in range(8):
        place = (chance.randrange(picture.width), chance.randrange(picture.height))
        picture.putpixel(place, tuple(chance.randrange(256) for _ in range(3)))
    data = io.BytesIO()
    picture.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def body(model: str, content: list[dict[str, Any]], output_tokens: int) -> dict[str, Any]:
    """Return the chat request that `vllm bench serve` sends for a content."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_completion_tokens": output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
        "temperature": 0,
        "chat_template_kwargs": {"enable_thinking": False},
    }
