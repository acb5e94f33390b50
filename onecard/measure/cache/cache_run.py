"""Measures a running server's caches on the box, and records it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from onecard.api.client import Client
from onecard.api.metrics import cache_config, read_metrics
from onecard.console.steps import Steps
from onecard.errors import UnhealthyError, UsageError
from onecard.fit.caching import CachingTokens, caching_tokens
from onecard.fit.on_host import read_box_model
from onecard.inventory.host import Host
from onecard.measure.bench.bench_run import clean_box
from onecard.measure.bench.box_generator import send_on_box
from onecard.measure.bench.vllm_bench import prepare
from onecard.measure.cache.prompts import CachePrompts
from onecard.measure.cache.reuse import AtOnce, Pair, Reuse, ReusedTurn
from onecard.records import Record, recorded
from onecard.server.client import api_key, client
from onecard.server.state import ServiceState, service_state
from onecard.smoke.questions import questions
from onecard.smoke.recorded import note_box, note_server
from onecard.ssh.answer_lines import whole
from onecard.ssh.login import Connected, connected

_LONGEST_REQUEST_S: Final = 1800.0
_TURNS: Final = 3
_LONGEST: Final = 65_536  # tokens of the document, where none is given
_ROOM: Final = 0.85  # of the context, for the document: questions, answers, the chat's own tokens
_SHORTEST: Final = 128
_MOST_LENGTHS: Final = 6


@dataclass(frozen=True)
class CacheSettings:
    """What is sent.

    tokens: of the document; 0 for 85 % of the context, at most 65,536. at_once: questions at once.
    repeats: pairs of requests for each length and for pictures, two or more.
    """

    tokens: int
    at_once: int
    repeats: int


def run_cache(host: Host, settings: CacheSettings, known_hosts: Path, console: Console) -> Reuse:
    """Measure a host's server. Raises UsageError for a document that exceeds the context."""
    with (
        recorded("cache", host, asdict(settings)) as record,
        clean_box(host, known_hosts),
        connected(host, known_hosts) as box,
    ):
        facts = note_box(record, box)
        tokens = caching_tokens(host, facts, read_box_model(box.session, host))
        with _measurement(box, record) as measurement:
            reuse = measurement.run(settings, tokens, f"{host.name}  cache", console)
        record.add("cache", **reuse.values())
    return reuse


@contextmanager
def _measurement(box: Connected, record: Record) -> Iterator[_Measurement]:
    """Record what is measured, prepare the box, and yield what sends the requests."""
    state = service_state(box.session)
    with client(box, state, timeout_s=_LONGEST_REQUEST_S) as api:
        note_server(record, state, api.version())
        box.session.run(prepare(box.host.settings.user))
        yield _Measurement(box, state, api, has_key=api_key(box.session) is not None)


def lengths_of(tokens: int) -> tuple[int, ...]:
    """Return lengths up to `tokens`, each twice the one before, ascending."""
    found = [tokens]
    while found[0] // 2 >= _SHORTEST and len(found) < _MOST_LENGTHS:
        found.insert(0, found[0] // 2)
    return tuple(found)


def document_tokens(given: int, ctx: int) -> int:
    """Return the tokens of the document. Raises UsageError where they exceed the context."""
    most = int(_ROOM * ctx)
    if given > most:
        raise UsageError(
            f"--tokens: {given:,} leave too little of the context of {ctx:,} tokens for questions "
            f"and answers; at most {most:,}"
        )
    return given or min(_LONGEST, most)


class _Measurement:
    """Sends requests on the box, and reads what the server has found in its caches."""

    def __init__(self, box: Connected, state: ServiceState, api: Client, *, has_key: bool) -> None:
        self._box, self._state, self._api, self._has_key = box, state, api, has_key
        pictures = [case.image for case in questions(state.model).cases if case.image]
        # Of the clock, in ms: no seed is met twice.
        seed = int(time.time() * 1000) % 10**9
        self._prompts = CachePrompts(state.model, api.count_tokens, pictures, seed)

    def run(
        self, settings: CacheSettings, tokens: CachingTokens | None, title: str, console: Console
    ) -> Reuse:
        """Send all requests. Raises UnhealthyError where one is not answered."""
        config = cache_config(self._api.metrics())
        is_on = {"True": True, "False": False}.get(config.get("enable_prefix_caching", ""))
        block = config.get("block_size", "")
        longest = document_tokens(settings.tokens, self._state.ctx)
        # Without prefix caching no length pays, and the long ones take their time.
        lengths = () if is_on is False else lengths_of(longest)
        weights = [*lengths, _SHORTEST, longest, longest]
        with Steps(console, title, [float(weight) for weight in weights]) as steps:
            texts = tuple(self._text(length, settings.repeats, steps.step) for length in lengths)
            picture = self._picture(settings.repeats, steps.step)
            document = self._prompts.document(longest)
            turns = tuple(self._turn(document, number + 1) for number in range(_TURNS))
            steps.step("turns")
            at_once = self._at_once(document, settings.at_once)
            steps.step("at once")
        return Reuse(
            is_on,
            whole(block),
            texts,
            picture,
            turns,
            at_once,
            tokens,
        )

    def _text(self, tokens: int, repeats: int, on_step: Callable[[str], None]) -> Pair:
        bodies = [body for _ in range(repeats) for body in self._prompts.pair_about_text(tokens)]
        times, hits = self._send(bodies, 1, "prefix_hits")
        on_step(f"{tokens:,} tokens")
        return Pair.of("text", tokens, [each["ttft_s"] for each in times], hits)

    def _picture(self, repeats: int, on_step: Callable[[str], None]) -> Pair | None:
        if not self._prompts.has_pictures:
            return None
        bodies = [body for _ in range(repeats) for body in self._prompts.pair_about_picture()]
        times, hits = self._send(bodies, 1, "picture_hits")
        on_step("pictures")
        return Pair.of("picture", 0, [each["ttft_s"] for each in times], hits)

    def _turn(self, document: str, number: int) -> ReusedTurn:
        (times,), hits = self._send([self._prompts.turn(document, number)], 1, "prefix_hits")
        return ReusedTurn(number, times["prompt_tokens"], times["ttft_s"], hits)

    def _at_once(self, document: str, count: int) -> AtOnce:
        # Question 1 is that of the first turn.
        bodies = [self._prompts.question(document, number) for number in range(1, count + 1)]
        times, hits = self._send(bodies, count, "prefix_hits")
        return AtOnce(count, tuple(sorted(each["ttft_s"] for each in times)), hits)

    def _send(
        self, bodies: Sequence[dict[str, Any]], concurrency: int, counter: str
    ) -> tuple[list[dict[str, Any]], float | None]:
        """Send requests; return their times, and by how much a counter of hits has grown."""
        before = read_metrics(self._api.metrics()).get(counter)
        times = send_on_box(
            self._box, self._state, bodies, concurrency=concurrency, has_key=self._has_key
        )
        after = read_metrics(self._api.metrics()).get(counter)
        if error := next((each["error"] for each in times if each["error"]), ""):
            raise UnhealthyError(f"{self._box.host.name}: a request was not answered: {error}")
        return times, None if before is None or after is None else after - before
