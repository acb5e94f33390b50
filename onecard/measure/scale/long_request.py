"""One request that really is as long as the context: a picture question behind a long text."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.api.client import Client
from onecard.errors import UnhealthyError
from onecard.measure.length import text_of
from onecard.smoke.case import Case
from onecard.smoke.smoke_run import is_answered

SHARE = 0.95  # of the context, in tokens


@dataclass(frozen=True)
class LongRequest:
    """The result. prompt_tokens: the server's own count; None without an answer."""

    ctx: int
    aimed_tokens: int
    prompt_tokens: int | None
    completion_tokens: int | None
    answered: bool
    right: bool
    given: str
    latency_s: float | None
    ttft_s: float | None
    error: str


def long_request(client: Client, case: Case, ctx: int) -> LongRequest:
    """Send `case` after varied prose, aiming at 95 % of `ctx` tokens in all.

    A refused request is a result, and so is a server that stops answering: the next context starts
    another server.
    """
    aimed = int(SHARE * ctx)
    try:
        alone = client.send_case(case).prompt_tokens or 0
        text = text_of("prose", aimed - alone, client.count_tokens)
        messages = case.messages()
        messages[0]["content"].insert(0, {"type": "text", "text": text.text + "\n\n"})
        reply = client.chat(messages, max_tokens=min(case.max_tokens, max(1, ctx - aimed)))
    except UnhealthyError as error:
        return LongRequest(ctx, aimed, None, None, False, False, "", None, None, error.message)
    return LongRequest(
        ctx=ctx,
        aimed_tokens=aimed,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        answered=True,
        right=is_answered(case, reply),
        given=reply.text,
        latency_s=reply.total_s,
        ttft_s=reply.ttft_s,
        error="",
    )
