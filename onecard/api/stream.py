"""Parse one streamed response of /v1/chat/completions: server-sent events in, a Reply out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from onecard.api.failures import NoAnswerError, refusal
from onecard.errors import UnhealthyError
from onecard.json_text import parse_json

PREFIX = b"data:"
DONE = b"[DONE]"
LONGEST_LINE = 1 << 20  # bytes
ONLY_REASONING = "only reasoning came back: raise max_tokens or turn thinking off"


@dataclass(frozen=True)
class Reply:
    """A complete answer.

    text, reasoning: stripped of surrounding blank; empty where there was none.
    ttft_s: seconds from sending to the first token of text or reasoning; None without any.
    total_s: seconds from sending to the end of the stream.
    prompt_tokens, completion_tokens: as the server counted them; None if not reported.
    finish_reason: `stop`, `length` or another of the server's values; empty if it sent none.
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
        """Return why there is no text to judge, in one line; empty if there is text."""
        if self.text:
            return ""
        return ONLY_REASONING if self.reasoning else "an empty answer came back"


def split_lines(pieces: Iterable[bytes], url: str) -> Iterator[bytes]:
    """Yield the lines of a body that comes in pieces. Raises UnhealthyError for one without end."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > LONGEST_LINE:
            raise UnhealthyError(f"{url}: an event is longer than {LONGEST_LINE:,} bytes")
    yield rest


def read_stream(
    lines: Iterable[bytes], clock: Callable[[], float], started: float, url: str
) -> Reply:
    """Parse the events in `lines` until `[DONE]`.

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
        usage = _mapping(chunk.get("usage")) or usage
        for choice in map(_mapping, _list(chunk.get("choices"))):
            delta = _mapping(choice.get("delta"))
            content = _text(delta.get("content"))
            # `reasoning` since vLLM 0.12; `reasoning_content` before, and in other servers.
            thought = _text(delta.get("reasoning")) or _text(delta.get("reasoning_content"))
            if first is None and (content or thought):
                first = clock()
            text.append(content)
            reasoning.append(thought)
            finish_reason = _text(choice.get("finish_reason")) or finish_reason
    else:
        raise NoAnswerError(f"{url}: the answer broke off before its end")
    return Reply(
        text="".join(text).strip(),
        reasoning="".join(reasoning).strip(),
        ttft_s=None if first is None else first - started,
        total_s=clock() - started,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        finish_reason=finish_reason,
    )


# Another program on the server's port may send other kinds: those count as missing.
def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _decode(event: bytes, url: str) -> dict[str, Any]:
    try:
        chunk = parse_json(event)
    except ValueError:
        raise UnhealthyError(f"{url}: an event of the stream is not JSON") from None
    if not isinstance(chunk, dict):
        raise UnhealthyError(f"{url}: an event of the stream is not a JSON object")
    if error := chunk.get("error"):
        status = error.get("code") if isinstance(error, dict) else None
        code = status if isinstance(status, int) else 500
        raise refusal(url, code, event.decode("utf-8", "replace"), had_key=True)
    return chunk
