"""HTTP client of vLLM's OpenAI-compatible API, with timed answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import requests

from onecard.api.failures import NoAnswerError, lost, refusal
from onecard.api.stream import Reply, read_stream, split_lines
from onecard.credentials.secret import Secret
from onecard.errors import UnhealthyError, UsageError
from onecard.json_text import parse_json

LONGEST_CONNECT_S = 10.0
LONGEST_ANSWER: Final = 64 << 20  # bytes
_PIECE: Final = 512  # bytes
OK = 200
# http.client raises ValueError for a chunk of negative length.
_BROKEN: Final = (requests.RequestException, ValueError)


class Question(Protocol):
    """A question: chat messages, and the longest answer in tokens."""

    @property
    def max_tokens(self) -> int:
        """Return the longest answer, in tokens."""

    @property
    def thinking(self) -> bool:
        """Return whether the model may think before it answers."""

    def messages(self, *, picture: bool = True) -> list[dict[str, Any]]:
        """Return the chat messages; without the picture when `picture` is False."""


@dataclass(frozen=True)
class ServedModel:
    """A model's name in the API, and its context length in tokens (None if not reported)."""

    name: str
    ctx: int | None


def chat_request(
    model: str, messages: list[dict[str, Any]], *, max_tokens: int, thinking: bool
) -> dict[str, Any]:
    """Return the body of a chat request, greedily decoded."""
    return {
        "model": model,
        "messages": messages,
        "max_tokens": max_tokens,
        "temperature": 0,
        "chat_template_kwargs": {"enable_thinking": thinking},
    }


class Client:
    """A client of one server and one of its models.

    base_url: such as `http://127.0.0.1:8000`, without `/v1`.
    model: the name that the API serves the model under.
    key: API key, sent as a bearer token; None sends none.
    timeout_s: longest time for any one request, in seconds.
    shown: the address for error messages, such as that behind a tunnel; base_url if empty.

    Every method raises NoAnswerError without a complete answer, ExceedsLimitError for a request too
    long for the server, and otherwise UnhealthyError with the server's message.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        key: Secret | None = None,
        timeout_s: float = 120.0,
        shown: str = "",
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._shown = shown.rstrip("/") or self.base_url
        self.model = model
        self._key = key
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # The URL leads into a tunnel: the user's proxy or .netrc does not apply.
        self._session.trust_env = False
        if key is not None:
            value = key.reveal()
            if not value.isascii() or not value.isprintable() or " " in value or not value:
                raise UsageError(
                    "the API key holds characters that cannot be sent in a header; set another key"
                )
            self._session.headers["Authorization"] = f"Bearer {value}"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def version(self) -> str:
        """Return the server's version, such as `0.32.0`."""
        return str(self._get_json("/version").get("version", ""))

    def metrics(self) -> str:
        """Return /metrics, Prometheus' text format."""
        return self._get("/metrics")

    def count_tokens(self, text: str) -> int:
        """Return how many tokens `text` is, by the server's own tokenizer."""
        body = {"model": self.model, "prompt": text, "add_special_tokens": False}
        answer = self._json("POST", "/tokenize", body)
        count = answer.get("count")
        if not isinstance(count, int) or count < 0:
            raise UnhealthyError(f"{self._shown}/tokenize: the answer holds no count")
        return count

    def models(self) -> tuple[ServedModel, ...]:
        """Return the served models, in the server's order."""
        entries = self._get_json("/v1/models").get("data")
        if not isinstance(entries, list):
            raise UnhealthyError(f"{self._shown}/v1/models: the answer lists no models")
        return tuple(_served(entry) for entry in entries if isinstance(entry, dict))

    def send_case(self, case: Question, *, picture: bool = True) -> Reply:
        """Send the question of `case`; without its picture when `picture` is False."""
        messages = case.messages(picture=picture)
        return self.chat(messages, max_tokens=case.max_tokens, thinking=case.thinking)

    def chat(
        self, messages: list[dict[str, Any]], *, max_tokens: int, thinking: bool = False
    ) -> Reply:
        """Send chat messages, greedily decoded, and return the streamed and timed answer."""
        body = {
            **chat_request(self.model, messages, max_tokens=max_tokens, thinking=thinking),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        path = "/v1/chat/completions"
        url = self._shown + path
        started = time.perf_counter()
        try:
            with self._send("POST", path, body) as response:
                lines = split_lines(self._body(response, url, started), url)
                return read_stream(lines, time.perf_counter, started, url)
        except _BROKEN as error:
            raise lost(url, error, self._timeout_s) from None

    def _get(self, path: str) -> str:
        return self._text("GET", path, None)

    def _text(self, method: str, path: str, body: dict[str, Any] | None) -> str:
        url, started = self._shown + path, time.perf_counter()
        try:
            with self._send(method, path, body) as response:
                return self._whole_text(response, url, started)
        except _BROKEN as error:
            raise lost(url, error, self._timeout_s) from None

    def _get_json(self, path: str) -> dict[str, Any]:
        return self._json("GET", path, None)

    def _json(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        text = self._text(method, path, body)
        try:
            answer = parse_json(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise UnhealthyError(f"{self._shown}{path}: the answer is not a JSON object")
        return answer

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        response = self._session.request(
            method,
            self.base_url + path,
            json=body,
            stream=True,
            allow_redirects=False,
            timeout=(min(LONGEST_CONNECT_S, self._timeout_s), self._timeout_s),
        )
        if response.status_code != OK:
            with response:
                url, had_key = self._shown + path, self._key is not None
                message = self._whole_text(response, url, time.perf_counter())
                raise refusal(url, response.status_code, message, had_key=had_key)
        return response

    def _whole_text(self, response: requests.Response, url: str, started: float) -> str:
        return b"".join(self._body(response, url, started)).decode("utf-8", "replace")

    def _body(self, response: requests.Response, url: str, started: float) -> Iterator[bytes]:
        """Yield the answer in pieces.

        Raises NoAnswerError when it takes longer than the timeout, UnhealthyError for one that
        does not end.
        """
        size = 0
        for piece in response.iter_content(_PIECE):
            size += len(piece)
            if size > LONGEST_ANSWER:
                raise UnhealthyError(f"{url}: the answer is longer than {LONGEST_ANSWER:,} bytes")
            if time.perf_counter() - started > self._timeout_s:
                raise NoAnswerError(f"{url}: no complete answer within {self._timeout_s:g} s")
            yield piece


def _served(entry: dict[str, Any]) -> ServedModel:
    ctx = entry.get("max_model_len")
    return ServedModel(str(entry.get("id")), ctx if isinstance(ctx, int) else None)
