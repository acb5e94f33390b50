"""One streamed answer of /v1/chat/completions: server-sent events in, a Reply out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from onecard.errors import UnhealthyError
from onecard.smoke.failures import NoAnswerError, refusal

PREFIX = b"data:"
DONE = b"[DONE]"
ONLY_REASONING = "only reasoning came back: raise max_tokens or turn thinking off"


@dataclass(frozen=True)
class Reply:
    """What came back.

    text, reasoning: stripped of surrounding blank; empty where there was none.
    ttft_s: seconds from sending to the first token of text or reasoning; None without any.
    total_s: seconds from sending to the end of the stream.
    prompt_tokens, completion_tokens: as the server counted them; None where it did not say.
    finish_reason: `stop`, `length` or another of the server's words; empty where it gave none.
    """

    text: str
    reasoning: str
    ttft_s: float | None
    total_s: float
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: str

    @property
    def trouble(self) -> str:
        """Why there is no text to judge, in one line; empty where there is some."""
        if self.text:
            return ""
        return ONLY_REASONING if self.reasoning else "an empty answer came back"


def read_stream(
    lines: Iterable[bytes], clock: Callable[[], float], started: float, url: str
) -> Reply:
    """Gather the events in `lines` until `[DONE]`.

    clock, started: a monotonic clock and its reading, in seconds, when the request was sent.
    Raises UnhealthyError with the server's message for an error event, NoAnswerError where the
    stream ends without `[DONE]`.
    """
    text: list[str] = []
    reasoning: list[str] = []
    first: float | None = None
    usage: dict[str, Any] = {}
    finish_reason = ""
    for line in lines:
        if not line.startswith(PREFIX):
            continue
        event = line[len(PREFIX) :].strip()
        if event == DONE:
            break
        chunk = _decode(event, url)
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            said = delta.get("content") or ""
            # `reasoning` since vLLM 0.12; `reasoning_content` before, and in other servers.
            thought = delta.get("reasoning") or delta.get("reasoning_content") or ""
            if first is None and (said or thought):
                first = clock()
            text.append(said)
            reasoning.append(thought)
            finish_reason = choice.get("finish_reason") or finish_reason
    else:
        raise NoAnswerError(f"{url}: the answer broke off before its end")
    return Reply(
        text="".join(text).strip(),
        reasoning="".join(reasoning).strip(),
        ttft_s=None if first is None else first - started,
        total_s=clock() - started,
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        finish_reason=finish_reason,
    )


def _decode(event: bytes, url: str) -> dict[str, Any]:
    try:
        chunk = json.loads(event)
    except ValueError:
        raise UnhealthyError(f"{url}: an event of the stream is not JSON") from None
    if not isinstance(chunk, dict):
        raise UnhealthyError(f"{url}: an event of the stream is not a JSON object")
    if error := chunk.get("error"):
        status = error.get("code") if isinstance(error, dict) else None
        code = status if isinstance(status, int) else 500
        raise refusal(url, code, event.decode("utf-8", "replace"), had_key=True)
    return chunk
