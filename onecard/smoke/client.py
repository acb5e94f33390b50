"""A small client of vLLM's OpenAI-compatible API, which times its answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from onecard.errors import UnhealthyError, UsageError
from onecard.secret import Secret
from onecard.smoke.cases import Case
from onecard.smoke.failures import NoAnswerError, lost, refusal
from onecard.smoke.stream import Reply, read_stream

LONGEST_CONNECT_S = 10.0
OK = 200


@dataclass(frozen=True)
class ServedModel:
    """A name that the server answers to, and its context length in tokens (None: not said)."""

    name: str
    ctx: int | None


def chat(
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
    """Talks to one server, as one model.

    base_url: such as `http://127.0.0.1:8000`, without `/v1`.
    model: the name that the API serves the model under.
    key: API key, sent as a bearer token; None sends none.
    timeout_s: longest time for any one request, in seconds.

    Every method raises NoAnswerError where no complete answer came, ExceedsLimitError where the
    request is too long for the server, and otherwise UnhealthyError with the server's message.
    """

    def __init__(
        self, base_url: str, model: str, key: Secret | None = None, timeout_s: float = 120.0
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._key = key
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # The URL leads into a tunnel: a proxy or .netrc of the user's is not meant for it.
        self._session.trust_env = False
        if key is not None:
            value = key.reveal()
            if not value.isascii() or not value.isprintable() or " " in value or not value:
                raise UsageError("the API key holds characters that cannot be sent in a header")
            self._session.headers["Authorization"] = f"Bearer {value}"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def health(self) -> None:
        """Return when /health answers 200; it does so without a key.

        vLLM answers it before a first request has gone through the engine: ready is one answer.
        """
        self._get("/health")

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
        if not isinstance(count, int):
            raise UnhealthyError(f"{self.base_url}/tokenize: the answer holds no count")
        return count

    def models(self) -> tuple[ServedModel, ...]:
        """Return the served models, in the server's order."""
        entries = self._get_json("/v1/models").get("data")
        if not isinstance(entries, list):
            raise UnhealthyError(f"{self.base_url}/v1/models: the answer lists no models")
        return tuple(ServedModel(str(e.get("id")), e.get("max_model_len")) for e in entries)

    def ask_case(self, case: Case, *, picture: bool = True) -> Reply:
        """Ask the question of `case`; without its picture when `picture` is False."""
        messages = case.messages(picture=picture)
        return self.ask(messages, max_tokens=case.max_tokens, thinking=case.thinking)

    def ask(
        self, messages: list[dict[str, Any]], *, max_tokens: int, thinking: bool = False
    ) -> Reply:
        """Send chat messages, greedily decoded, and return the streamed and timed answer."""
        body = {
            **chat(self.model, messages, max_tokens=max_tokens, thinking=thinking),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        url = f"{self.base_url}/v1/chat/completions"
        started = time.perf_counter()
        try:
            with self._send("POST", url, body) as response:
                lines = self._before_deadline(response.iter_lines(), url, started)
                return read_stream(lines, time.perf_counter, started, url)
        except requests.RequestException as error:
            raise lost(url, error, self._timeout_s) from None

    def _get(self, path: str) -> str:
        return self._text("GET", path, None)

    def _text(self, method: str, path: str, body: dict[str, Any] | None) -> str:
        url = self.base_url + path
        try:
            with self._send(method, url, body) as response:
                return response.text
        except requests.RequestException as error:
            raise lost(url, error, self._timeout_s) from None

    def _get_json(self, path: str) -> dict[str, Any]:
        return self._json("GET", path, None)

    def _json(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        text = self._text(method, path, body)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise UnhealthyError(f"{self.base_url}{path}: the answer is not a JSON object")
        return answer

    def _send(self, method: str, url: str, body: dict[str, Any] | None) -> requests.Response:
        response = self._session.request(
            method,
            url,
            json=body,
            stream=True,
            allow_redirects=False,
            timeout=(min(LONGEST_CONNECT_S, self._timeout_s), self._timeout_s),
        )
        if response.status_code != OK:
            with response:
                raise refusal(
                    url, response.status_code, response.text, had_key=self._key is not None
                )
        return response

    def _before_deadline(self, lines: Iterator[bytes], url: str, started: float) -> Iterator[bytes]:
        """Pass `lines` on; a stream that trickles past the time limit is given up."""
        for line in lines:
            if time.perf_counter() - started > self._timeout_s:
                raise NoAnswerError(f"{url}: no complete answer within {self._timeout_s:g} s")
            yield line
