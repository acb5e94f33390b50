"""Requests that no client of ours sends: wrong ones, and ones that are aborted."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from typing import Any, Final

from onecard.credentials.secret import Secret

PATH: Final = "/v1/chat/completions"
_LONGEST: Final = 1 << 20  # bytes of an answer that are read


def status_of(url: str, key: Secret | None, body: bytes, timeout_s: float) -> int:
    """Send a body; return the status of its answer. Raises OSError, HTTPException."""
    connection = _opened(url, timeout_s)
    try:
        connection.request("POST", PATH, body, _headers(key))
        answer = connection.getresponse()
        answer.read(_LONGEST)
        return answer.status
    finally:
        connection.close()


def abort(
    url: str, key: Secret | None, body: dict[str, Any], timeout_s: float, *, after_token: bool
) -> int:
    """Send a request and close its connection before its end; return the status.

    after_token: once a token has come; otherwise as soon as the answer begins.
    Raises OSError, HTTPException.
    """
    connection = _opened(url, timeout_s)
    try:
        connection.request("POST", PATH, json.dumps(body | {"stream": True}), _headers(key))
        answer = connection.getresponse()
        if after_token:
            answer.readline()
        return answer.status
    finally:
        connection.close()


def _opened(url: str, timeout_s: float) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=timeout_s)


def _headers(key: Secret | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    return headers | ({"Authorization": f"Bearer {key.reveal()}"} if key else {})
