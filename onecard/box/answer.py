"""Startup check: wait until the server has answered a question with a picture."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from onecard.box import paths
from onecard.box.cards import CardWatch
from onecard.box.port import taken_by
from onecard.box.tell import emit
from onecard.box.text import fields, read
from onecard.box.unit import show

POLL_S = 0.5  # between two looks at the unit and the cards, which start programs
HEALTH_S = 0.05  # between two requests, which start none
REPORT_S = 30.0  # report that often, so that idle_timeout does not end the wait
LONGEST_ANSWER_S = 300.0


class NotReadyError(Exception):
    """The server did not answer; the message says how it failed."""


def wait_for_answer(question: dict[str, Any], deadline_s: float, watch: CardWatch) -> None:
    """Poll until the server is healthy, then send the question. Raises NotReadyError.

    question: {"url", "model", "body"}: where, the name that must be served, the chat request.
    """
    reported = time.monotonic()
    until = reported + deadline_s
    restarts = show()["NRestarts"]
    while True:
        watch.sample()
        unit = show()
        if unit["ActiveState"] in ("failed", "inactive") or unit["SubState"] == "auto-restart":
            raise NotReadyError(f"the server ended while it was starting ({unit['Result']})")
        if unit["NRestarts"] != restarts:
            raise NotReadyError("the server ended and was started again while it was starting")
        other = ""
        if is_healthy(question["url"]) and not (other := taken_by(question["url"])):
            break
        if time.monotonic() > until:
            why = f"; {other} answers in its place" if other else ""
            raise NotReadyError(f"not ready after {deadline_s:.0f} s (serve.ready_timeout){why}")
        if time.monotonic() > reported + REPORT_S:
            emit("waiting")
            reported = time.monotonic()
        _wait_for_health(question["url"], POLL_S)
    send_question(question, max(until - time.monotonic(), 10.0))
    watch.sample()
    if show()["NRestarts"] != restarts:
        raise NotReadyError("the server ended and was started again at its first question")


def _wait_for_health(url: str, longest_s: float) -> None:
    """Wait, but no longer than until /health answers."""
    until = time.monotonic() + longest_s
    while True:
        time.sleep(HEALTH_S)
        if time.monotonic() > until or is_healthy(url):
            return


def is_up(question: dict[str, Any]) -> bool:
    """Return whether the unit's server, and not another program on its port, answers /health."""
    url = question["url"]
    return show()["SubState"] == "running" and is_healthy(url) and not taken_by(url)


def is_healthy(url: str) -> bool:
    """Return whether /health answers 200. An engine may do so and die at the first request."""
    try:
        with opener().open(f"{url}/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def send_question(question: dict[str, Any], timeout_s: float) -> None:
    """Check the served model, then send one chat request. Raises NotReadyError."""
    timeout_s = min(timeout_s, LONGEST_ANSWER_S)
    try:
        check_model(question, timeout_s)
        url = f"{question['url']}/v1/chat/completions"
        reply = send(url, json.dumps(question["body"]).encode(), timeout_s)
        if not reply["choices"] or not reply["usage"]["completion_tokens"]:
            raise NotReadyError("the first question got an empty answer")
    except (KeyError, TypeError):
        raise _no_vllm(question) from None


def check_model(question: dict[str, Any], timeout_s: float = 10.0) -> None:
    """Check that the model is served, and the key accepted. Raises NotReadyError."""
    models = send(f"{question['url']}/v1/models", None, timeout_s)
    try:
        served = [model["id"] for model in models["data"]]
    except (KeyError, TypeError):
        raise _no_vllm(question) from None
    if question["model"] not in served:
        models_served = ", ".join(served) or "nothing"
        raise NotReadyError(f"it serves {models_served}, not {question['model']}")


def _no_vllm(question: dict[str, Any]) -> NotReadyError:
    return NotReadyError(f"what answers at {question['url']} is not a server of vLLM")


def send(url: str, body: bytes | None, timeout_s: float) -> dict[str, Any]:
    """Send a request with the server's key and return the answer's JSON. Raises NotReadyError."""
    key = fields(read(Path(paths.API_KEY))).get("VLLM_API_KEY", "")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310  # our own server's
    path = "/" + url.split("/", 3)[3]
    try:
        with opener().open(request, timeout=timeout_s) as answer:
            reply = json.load(answer)
    except urllib.error.HTTPError as error:
        message = error.read(400).decode("utf-8", "replace")
        raise NotReadyError(f"the first question failed: {path}: {error.code}: {message}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NotReadyError(f"the first question got no answer: {path}: {error}") from None
    if not isinstance(reply, dict):
        raise NotReadyError(f"the first question got no JSON object: {path}")
    return reply


def opener() -> urllib.request.OpenerDirector:
    """Return a URL opener that ignores the environment's proxies."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
