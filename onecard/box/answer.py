"""Waits until the server has answered a question with a picture."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from onecard import layout
from onecard.box.cards import CardWatch
from onecard.box.tell import tell
from onecard.box.text import fields, read
from onecard.box.unit import show

POLL_S = 0.5
TELL_S = 30.0  # a server that is silent for longer than idle_timeout is no lost connection
LONGEST_ANSWER_S = 300.0


class NoAnswerError(Exception):
    """The server did not answer; the text says how that was seen."""


def wait_for_answer(question: dict[str, Any], deadline_s: float, watch: CardWatch) -> None:
    """Poll until the server is healthy, then ask. Raises NoAnswerError.

    question: {"url", "model", "body"}: where, the name that must be served, the chat request.
    """
    told = time.monotonic()
    until = told + deadline_s
    restarts = show()["NRestarts"]
    while True:
        watch.look()
        unit = show()
        if unit["ActiveState"] in ("failed", "inactive") or unit["SubState"] == "auto-restart":
            raise NoAnswerError(f"the server ended while it was starting ({unit['Result']})")
        if unit["NRestarts"] != restarts:
            raise NoAnswerError("the server ended and was started again while it was starting")
        if healthy(question["url"]):
            break
        if time.monotonic() > until:
            raise NoAnswerError(f"not ready after {deadline_s:.0f} s (serve.ready_timeout)")
        if time.monotonic() > told + TELL_S:
            tell("waiting")
            told = time.monotonic()
        time.sleep(POLL_S)
    ask(question, max(until - time.monotonic(), 10.0))
    watch.look()
    if show()["NRestarts"] != restarts:
        raise NoAnswerError("the server ended and was started again at its first question")


def healthy(url: str) -> bool:
    """Tell whether /health answers 200. An engine may do so and die at the first request."""
    try:
        with opener().open(f"{url}/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def ask(question: dict[str, Any], timeout_s: float) -> None:
    """Ask which models there are, then one question. Raises NoAnswerError."""
    timeout_s = min(timeout_s, LONGEST_ANSWER_S)
    try:
        models = send(f"{question['url']}/v1/models", None, timeout_s)["data"]
        served = [model["id"] for model in models]
        if question["model"] not in served:
            said = ", ".join(served) or "nothing"
            raise NoAnswerError(f"it serves {said}, not {question['model']}")
        url = f"{question['url']}/v1/chat/completions"
        reply = send(url, json.dumps(question["body"]).encode(), timeout_s)
        if not reply["choices"] or not reply["usage"]["completion_tokens"]:
            raise NoAnswerError("the first question got an empty answer")
    except (KeyError, TypeError):
        raise NoAnswerError(f"what answers at {question['url']} is no server of vLLM") from None


def send(url: str, body: bytes | None, timeout_s: float) -> dict[str, Any]:
    """Send a request with the server's key and return the answer's JSON. Raises NoAnswerError."""
    key = fields(read(Path(layout.API_KEY))).get("VLLM_API_KEY", "")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310  # our own server's
    path = "/" + url.split("/", 3)[3]
    try:
        with opener().open(request, timeout=timeout_s) as answer:
            reply = json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read(400).decode("utf-8", "replace")
        raise NoAnswerError(f"the first question failed: {path}: {error.code}: {said}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswerError(f"the first question got no answer: {path}: {error}") from None
    if not isinstance(reply, dict):
        raise NoAnswerError(f"the first question got no JSON object: {path}")
    return reply


def opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses without the environment's proxies."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
