"""The requests of a cache measurement: documents that nobody has sent before, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from onecard.measure.bench.loads import body, varied
from onecard.measure.length import text_of

_OUTPUT_TOKENS: Final = 4
_PICTURE_TEXT: Final = 32  # tokens before a picture, so that the requests with it share no prefix
_QUESTIONS: Final = (
    "Who arrived late?",
    "What was paid for, and by whom?",
    "Which letter, map or ledger is named first?",
    "Name one thing that stood between two others.",
)
_ANSWER: Final = "The text names several, one after another."


class CachePrompts:
    """Builds chat requests.

    model: its name in the API. count: the server's own count of a text's tokens. pictures: files;
    each request for a new picture varies one. first_seed: of the texts and pictures, so that what
    an earlier measurement has left in a cache is not met.
    """

    def __init__(
        self,
        model: str,
        count: Callable[[str], int],
        pictures: Sequence[Path],
        first_seed: int,
    ) -> None:
        self._model, self._count, self._pictures = model, count, pictures
        self._seed = first_seed
        self._words: dict[int, int] = {}

    @property
    def has_pictures(self) -> bool:
        """Return whether there are pictures for this model."""
        return bool(self._pictures)

    def document(self, tokens: int) -> str:
        """Return a new text of so many tokens, within 1 %."""
        self._seed += 1
        text = text_of("prose", tokens, self._count, self._seed, self._words.get(tokens, 0))
        self._words[tokens] = text.words
        return text.text

    def question(self, document: str, number: int) -> dict[str, Any]:
        """Return the request with question `number` about a document."""
        return self._request(_text(f"{document}\n\n{_asked(number)}"))

    def turn(self, document: str, number: int) -> dict[str, Any]:
        """Return the request of turn `number` (from 1) of a conversation about a document.

        The answers of earlier turns are the same fixed text, whatever the model said.
        """
        messages = [_user(_text(f"{document}\n\n{_asked(0)}"))]
        for earlier in range(1, number):
            messages.append({"role": "assistant", "content": _ANSWER})
            messages.append(_user(_text(_asked(earlier))))
        return {**self._request([]), "messages": messages}

    def pair_about_text(self, tokens: int) -> list[dict[str, Any]]:
        """Return two requests about a new document, with different questions."""
        document = self.document(tokens)
        return [self.question(document, number) for number in range(2)]

    def pair_about_picture(self) -> list[dict[str, Any]]:
        """Return two requests about a new picture, each behind a text of its own."""
        self._seed += 1
        url = varied(self._pictures[self._seed % len(self._pictures)], self._seed)
        picture = {"type": "image_url", "image_url": {"url": url}}
        return [
            self._request([*_text(self.document(_PICTURE_TEXT)), picture, *_text(_asked(number))])
            for number in range(2)
        ]

    def _request(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        return body(self._model, content, _OUTPUT_TOKENS)


def _asked(number: int) -> str:
    """Return a question; the number makes more than there are in the list differ."""
    return f"Question {number + 1}: {_QUESTIONS[number % len(_QUESTIONS)]}"


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


def _user(content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "user", "content": content}
