"""Failures of a request to the server, as the project's own errors.

    UnhealthyError
    ├── NoAnswerError        no complete answer: connection refused, lost or timed out
    └── ExceedsLimitError    the request is longer than the server's context: not the server's fault

Messages of vLLM 0.25 to 0.33.
"""

from __future__ import annotations

import json
import re
from typing import Final

import requests

from onecard.errors import UnhealthyError
from onecard.json_text import parse_json

LONGEST_QUOTE: Final = 300
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, BAD_REQUEST = 401, 403, 404, 400
_LIMIT: Final = (
    re.compile(r"maximum context length is (\d+) tokens"),
    re.compile(r"maximum context length \((\d+)\)"),
    re.compile(r"greater than max_model_len=(\d+)"),
    re.compile(r"longer than the maximum model length of (\d+)"),
)


class NoAnswerError(UnhealthyError):
    """The server could not be reached, or did not complete its answer."""


class ExceedsLimitError(UnhealthyError):
    """The request does not fit into the context length that the server was started with.

    limit: that context length in tokens.
    """

    def __init__(self, message: str, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


def server_message(body: str) -> str:
    """Return an error body's message in one line: from vLLM's JSON forms, or the text itself."""
    try:
        content = parse_json(body)
    except ValueError:
        content = body
    for key in ("error", "message", "detail"):
        if isinstance(content, dict) and key in content:
            content = content[key]
    text = content if isinstance(content, str) else json.dumps(content)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + "..."


def refusal(url: str, status: int, body: str, *, had_key: bool) -> UnhealthyError:
    """Return the error for an HTTP status other than 200 from `url`."""
    message = server_message(body) or "no reason given"
    if status in (UNAUTHORIZED, FORBIDDEN):
        problem = "does not accept this API key" if had_key else "wants an API key; none was given"
        return UnhealthyError(f"{url}: the server {problem} (HTTP {status}: {message})")
    if status == BAD_REQUEST:
        for pattern in _LIMIT:
            if found := pattern.search(message):
                return ExceedsLimitError(f"{url}: longer than allowed: {message}", int(found[1]))
    if status == NOT_FOUND and "model" in message.lower():
        return UnhealthyError(f"{url}: the model is not served under this name: {message}")
    if status == NOT_FOUND:
        return UnhealthyError(f"{url}: no such address (HTTP 404): check that this server is vLLM")
    return UnhealthyError(f"{url}: HTTP {status}: {message}")


def lost(url: str, error: Exception, timeout_s: float) -> NoAnswerError:
    """Return the error for an exception of `requests`, or one that it lets through.

    The exception's own text is left out: it can hold a header, and so the API key.
    """
    if isinstance(error, requests.ConnectTimeout):
        return NoAnswerError(f"{url}: no connection within the time limit")
    if isinstance(error, requests.Timeout) or "Read timed out" in str(error):
        return NoAnswerError(f"{url}: no answer within {timeout_s:g} s")
    if isinstance(error, requests.ConnectionError) and "refused" in str(error):
        return NoAnswerError(f"{url}: connection refused: the server is not running")
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return NoAnswerError(f"{url}: the connection was lost before the answer was complete")
    return NoAnswerError(f"{url}: the request failed ({type(error).__name__})")
