"""How many requests of a length the running server should hold: from its own log, else by `fit`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, Final

from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.fit import NotModelledError, Plan
from onecard.fit.on_host import Settled, read_box_model, settle
from onecard.server.start_journal import journal_of
from onecard.server.state import ServiceState
from onecard.ssh.answer_lines import whole
from onecard.ssh.login import Connected
from onecard.startup_log import MemoryFacts, StartTracker

_LINES: Final = 1_000_000  # a server that has run for weeks logs a line for each request
_MEMORY: Final = ("KV cache", "Maximum concurrency", "block size to", "max model len")
_AGREES: Final = 0.03  # by which the plan may differ from the log: both are rounded


@dataclass(frozen=True)
class Capacity:
    """What a server should hold.

    ctx: tokens of each request, prompt and output. logged, logged_ctx: the concurrency that vLLM
    logged at its start, and the context length that it holds for; None where its log is gone.
    at_once: requests of `ctx` tokens, None where nothing is known; source: where that is from.
    most: max_num_seqs, None where it is not known. planned: the plan that agrees with the log.
    """

    ctx: int
    logged: float | None
    logged_ctx: int | None
    at_once: float | None
    source: str
    most: int | None = None
    planned: Plan | None = None

    @property
    def requests(self) -> int | None:
        """Return how many whole requests are held at once; None where that is not known."""
        if self.at_once is None:
            return None
        return min(int(self.at_once), self.most or int(self.at_once))

    def kv_use(self, requests: int, tokens: float) -> float | None:
        """Return the share of the KV cache that `requests` of `tokens` tokens each take."""
        if self.planned is not None:
            blocks = self.planned.layout.request_blocks(round(tokens))
            return requests * blocks / self.planned.blocks
        return requests * tokens / self.ctx / self.at_once if self.at_once else None

    def values(self) -> dict[str, Any]:
        """Return the values for an event."""
        return {
            "logged": self.logged,
            "logged_ctx": self.logged_ctx,
            "expected": self.at_once,
            "expected_from": self.source,
            "max_num_seqs": self.most,
        }


def read_capacity(box: Connected, state: ServiceState, facts: Facts, ctx: int) -> Capacity:
    """Read what the running server logged; `fit` converts it to requests of `ctx` tokens."""
    found = read_box_model(box.session, box.host)
    patterns = " ".join(f"-e {shlex.quote(each)}" for each in _MEMORY)
    script = f"{journal_of(state, _LINES)} | grep -F {patterns} || true"
    tracker = StartTracker()
    for line in box.session.run(script).output.splitlines():
        tracker.feed(line)
    return capacity(settle(box.host, facts, found), tracker.facts, ctx, _sequences(state))


def capacity(settled: Settled, logged: MemoryFacts, ctx: int, most: int | None) -> Capacity:
    """Return the capacity for requests of `ctx` tokens.

    most: max_num_seqs as the server was started with, None for vLLM's default.
    """
    planned = _plan(settled, ctx, logged)
    if most is None and settled.planned is not None:
        most = settled.planned.max_num_seqs
    concurrency, for_ctx = logged.kv_concurrency, logged.kv_request_tokens
    if concurrency is None or for_ctx is None:
        at_once = planned.concurrency if planned else None
        return Capacity(ctx, None, None, at_once, "fit, before the start", most, planned)
    if planned is not None and not _agree(_plan(settled, for_ctx, logged), concurrency):
        planned = None  # the settings have changed since the start, or are not modelled
    if for_ctx == ctx:
        return Capacity(ctx, concurrency, for_ctx, concurrency, "vLLM's log", most, planned)
    if planned is not None:
        source = f"fit, from the {logged.kv_available_gib:.2f} GiB that vLLM logged"
        return Capacity(ctx, concurrency, for_ctx, planned.concurrency, source, most, planned)
    at_once = concurrency * for_ctx / ctx
    return Capacity(ctx, concurrency, for_ctx, at_once, "vLLM's log, in proportion", most)


def _plan(settled: Settled, ctx: int, logged: MemoryFacts) -> Plan | None:
    try:
        return settled.plan(ctx=ctx, kv_gib=logged.kv_available_gib)
    except (NotModelledError, PreflightError):
        return None


def _agree(planned: Plan | None, logged: float) -> bool:
    return planned is not None and abs(planned.concurrency - logged) <= _AGREES * logged


def _sequences(state: ServiceState) -> int | None:
    return whole(state.options.get("max-num-seqs", ""))
