"""What can go wrong between a question and its answer, as the project's own errors.

    UnhealthyError
    ├── NoAnswerError        nothing, or only part of an answer, came back: refused, lost, timed out
    └── ExceedsLimitError    the request is longer than the server's context: not the server's fault

Wordings are those of vLLM 0.25 to 0.33.
"""

from __future__ import annotations

import json
import re
from typing import Final

import requests

from onecard.errors import UnhealthyError

LONGEST_QUOTE: Final = 300
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, BAD_REQUEST = 401, 403, 404, 400
_LIMIT: Final = (
    re.compile(r"maximum context length is (\d+) tokens"),
    re.compile(r"maximum context length \((\d+)\)"),
    re.compile(r"greater than max_model_len=(\d+)"),
    re.compile(r"longer than the maximum model length of (\d+)"),
)


class NoAnswerError(UnhealthyError):
    """The server could not be asked, or fell silent before the answer was complete."""


class ExceedsLimitError(UnhealthyError):
    """The request does not fit into the context length that the server was started with.

    limit: that context length in tokens.
    """

    def __init__(self, message: str, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


def server_message(body: str) -> str:
    """Return what an error body says, in one line: vLLM's several shapes, or the text itself."""
    try:
        said = json.loads(body)
    except ValueError:
        said = body
    for key in ("error", "message", "detail"):
        if isinstance(said, dict) and key in said:
            said = said[key]
    text = said if isinstance(said, str) else json.dumps(said)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + "..."


def refusal(url: str, status: int, body: str, *, had_key: bool) -> UnhealthyError:
    """Return the error for an HTTP answer other than 200 from `url`."""
    said = server_message(body) or "no reason given"
    if status in (UNAUTHORIZED, FORBIDDEN):
        problem = "does not accept this API key" if had_key else "wants an API key; none was given"
        return UnhealthyError(f"{url}: the server {problem} (HTTP {status}: {said})")
    if status == BAD_REQUEST:
        for pattern in _LIMIT:
            if found := pattern.search(said):
                return ExceedsLimitError(f"{url}: longer than allowed: {said}", int(found[1]))
    if status == NOT_FOUND and "model" in said.lower():
        return UnhealthyError(f"{url}: the model is not served under this name: {said}")
    if status == NOT_FOUND:
        return UnhealthyError(f"{url}: there is no such address (HTTP 404): is this vLLM?")
    return UnhealthyError(f"{url}: HTTP {status}: {said}")


def lost(url: str, error: requests.RequestException, timeout_s: float) -> NoAnswerError:
    """Return the error for a request that `requests` gave up.

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
