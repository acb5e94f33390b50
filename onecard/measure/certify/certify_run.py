"""Runs a whole certify measurement on a host's server and records it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from onecard.api.client import Client
from onecard.console.host_console import HostConsole
from onecard.console.steps import Steps
from onecard.credentials.secret import Secret
from onecard.errors import UnhealthyError, UsageError
from onecard.inventory.host import Host
from onecard.measure.bench.figures import tpot
from onecard.measure.bench.generator import run_load
from onecard.measure.certify.capacity import Capacity, read_capacity
from onecard.measure.certify.certificate import Certificate
from onecard.measure.certify.full_requests import FullRequests
from onecard.measure.certify.proof import UNPROVED, Proof, seen
from onecard.measure.metrics import MetricsWatch
from onecard.measure.scale.peak_memory import CardMemory
from onecard.records import Record, recorded
from onecard.server.client import api_key, client
from onecard.server.state import ServiceState, service_state
from onecard.smoke.questions import questions
from onecard.smoke.recorded import note_box, note_server
from onecard.ssh.login import connected

LONGEST_REQUEST_S: Final = 3600.0
_MARGIN: Final = 1.5  # times what the prefills of the others take, one after another
_WINDOW_S: Final = 1.0  # that all decode together at least: /metrics is read five times a second
_LONGER: Final = 3  # times as much output, where nothing was proved
_ALONE_TOKENS: Final = 32  # of output, for the pace of a single request
_SHORTEST: Final = 0.5  # of the context that the prompt fills at least


@dataclass(frozen=True)
class CertifySettings:
    """What is requested. ctx: tokens of each request; requests: at once; 0: as the server says."""

    ctx: int = 0
    requests: int = 0


@dataclass(frozen=True)
class CertifyResult:
    """The certificate and what the record holds of it. exit_code: 0 where all of it held."""

    certificate: Certificate
    gpu_peak_mib: list[int] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 1 when the server holds less than it logs, or a request failed."""
        return 0 if self.certificate.held else 1


def run_certify(
    host: Host, settings: CertifySettings, known_hosts: Path, console: Console
) -> CertifyResult:
    """Send as many full requests at once as the server should hold, then one more; record it.

    Raises UsageError where the length exceeds the server's context, or where neither vLLM's log
    nor `fit` says how many to send.
    """
    with (
        recorded("certify", host, vars(settings)) as record,
        connected(host, known_hosts) as box,
    ):
        facts = note_box(record, box)
        state = service_state(box.session)
        with ExitStack() as stack:
            api = stack.enter_context(client(box, state, timeout_s=LONGEST_REQUEST_S))
            watched = stack.enter_context(client(box, state, timeout_s=5.0))
            note_server(record, state, api.version())
            ctx = _ctx(settings, state)
            capacity = read_capacity(box, state, facts, ctx)
            count = _count(settings, capacity, host)
            HostConsole(console, host.name).say(_intention(capacity, count))
            picture = next(case.image for case in questions(state.model).cases if case.image)
            seed = random.SystemRandom().randrange(2**31)
            build = FullRequests(api, ctx, picture, seed)
            load = Sender(api, watched, api_key(box.session), record)
            cards = stack.enter_context(CardMemory(box))
            steps = stack.enter_context(Steps(console, f"{host.name}  certify", _weights(count)))
            found = certify(build, load, capacity, count, steps)
        result = CertifyResult(found, cards.peak_mib)
        record.add("certificate", **found.values(), gpu_peak_mib=result.gpu_peak_mib)
        record.exit_code = result.exit_code
    return result


def _ctx(settings: CertifySettings, state: ServiceState) -> int:
    if settings.ctx > state.ctx:
        raise UsageError(
            f"--ctx: {settings.ctx:,} tokens exceed the {state.ctx:,} that the server is "
            f"configured for"
        )
    return settings.ctx or state.ctx


def _count(settings: CertifySettings, capacity: Capacity, host: Host) -> int:
    count = settings.requests or capacity.requests
    if count is None:
        raise UsageError(
            f"{host.name}: neither vLLM's log nor fit says how many requests of "
            f"{capacity.ctx:,} tokens are held at once; give a number with --requests"
        )
    if count < 1:
        raise UsageError(
            f"{host.name}: not one request of {capacity.ctx:,} tokens is expected to be held "
            f"({capacity.source}); give a shorter --ctx"
        )
    return count


def _intention(capacity: Capacity, count: int) -> str:
    expected = "" if capacity.at_once is None else f": {capacity.at_once:.2f} by {capacity.source}"
    return f"{count} x {capacity.ctx:,} tokens at once{expected}"


class Sender:
    """Sends requests at once and watches the server meanwhile.

    api: a client through the tunnel, watched: another one, for /metrics.
    """

    def __init__(self, api: Client, watched: Client, key: Secret | None, record: Record) -> None:
        self._api, self._watched, self._record = api, watched, record
        self._key = key.reveal() if key else ""

    def send(self, name: str, bodies: Sequence[dict[str, Any]], needed_s: float) -> Proof:
        """Send all bodies at once, wait for their answers, and record what was seen."""
        with MetricsWatch(self._watched.metrics) as watch:
            times = run_load(
                self._api.base_url, self._key, list(bodies), len(bodies), LONGEST_REQUEST_S
            )
        prompt_tokens = sum(each["prompt_tokens"] or 0 for each in times)
        found = Proof(name, tuple(times), seen(watch.samples, prompt_tokens, len(bodies)), needed_s)
        self._record.add("held", **found.values())
        return found


def certify(
    build: FullRequests, load: Sender, capacity: Capacity, count: int, steps: Steps
) -> Certificate:
    """Send one request alone, then all at once, then one more, then all about one document.

    All at once are sent again with a longer output while that proves nothing: the pace of the one
    alone may have been an exception.
    Raises UnhealthyError where the one alone is not answered.
    """
    alone = load.send("alone", build.different(1, _ALONE_TOKENS), 0.0)
    if alone.errors:
        raise UnhealthyError(f"one request alone is not answered: {alone.errors[0]}")
    steps.step("alone")
    [times] = alone.answered
    needed_s = (count - 1) * times["ttft_s"]
    output = _output_tokens(capacity.ctx, needed_s, tpot(times))
    while True:
        different = load.send("different", build.different(count, output), needed_s)
        if different.verdict != UNPROVED or output >= _most_output(capacity.ctx):
            break
        output = min(_LONGER * output, _most_output(capacity.ctx))
    steps.step(f"{count} at once")
    more_s = count * times["ttft_s"]
    one_more = load.send("one more", build.different(count + 1, output), more_s)
    steps.step(f"{count + 1} at once")
    shared = load.send("shared", build.shared(count, output), needed_s)
    steps.step("one document")
    return Certificate(capacity, different, one_more, shared)


def _weights(count: int) -> tuple[float, ...]:
    """Return the time of each load of `certify`, in times of one request alone.

    All at once take their prefills, and decode half as long again.
    """
    return (1.0, *((1 + _MARGIN) * each for each in (count, 2 * count, count)))


def _output_tokens(ctx: int, needed_s: float, tpot_s: float | None) -> int:
    """Return how much output makes the first request decode until all others are in.

    It does so at the pace of a request alone, which no other reaches; at most half of the context.
    """
    seconds = _MARGIN * needed_s + _WINDOW_S
    return min(ceil(seconds / tpot_s) if tpot_s else 1, _most_output(ctx))


def _most_output(ctx: int) -> int:
    return int(_SHORTEST * ctx)
