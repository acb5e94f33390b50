"""Wrong requests, which a server refuses with a status of 400 to 499 and survives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_MESSAGES: Final = [{"role": "user", "content": "What do you see?"}]


def wrong_requests(model: str, ctx: int) -> Mapping[str, bytes]:
    """Return what is wrong -> the body. ctx: the server's context length in tokens.

    Statuses of vLLM 0.25 to 0.33: 400, and 404 for a model that is not served.
    """

    def body(**changes: Any) -> bytes:
        return json.dumps(
            {"model": model, "messages": _MESSAGES, "max_tokens": 8} | changes
        ).encode()

    def picture(url: str) -> bytes:
        part = {"type": "image_url", "image_url": {"url": url}}
        return body(messages=[{"role": "user", "content": [part]}])

    return {
        "no JSON": b'{"model": ',
        "no messages": body(messages=[]),
        "messages that are no list": body(messages=7),
        "another model": body(model="no-such-model"),
        "a picture that is none": picture("data:image/png;base64,bm8gcGljdHVyZQ=="),
        "a picture that is no base64": picture("data:image/png;base64,%%%"),
        "a text beyond the context": body(
            messages=[{"role": "user", "content": "beyond " * (2 * ctx)}]
        ),
        "an answer of less than no tokens": body(max_tokens=-1),
    }
