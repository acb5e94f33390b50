"""Runs a whole soak on a host's server and records it."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console

from onecard.api.client import Client
from onecard.console.live_line import rough
from onecard.errors import OnecardError
from onecard.inventory.host import Host
from onecard.measure.soak.limits import knee, read_limits
from onecard.measure.soak.senders import ANSWERED, FAILED, REFUSED, Senders, SoakOutcome, Target
from onecard.measure.soak.traffic import ABORTED, MEAN_REQUESTS, Traffic
from onecard.measure.soak.verdict import SoakResult, has_fallen_back
from onecard.measure.soak.watch import Sample, Watch
from onecard.records import Record, recorded
from onecard.server.client import api_key, client
from onecard.server.journal import diagnose_server
from onecard.server.state import service_state
from onecard.smoke.questions import questions
from onecard.smoke.recorded import note_box, note_server
from onecard.ssh.login import Connected, connected
from onecard.statistics.percentile import percentile

LINE_S: Final = 15.0
_SAMPLES: Final = 300  # of a soak, at most
_PERIOD_S: Final = (2.0, 15.0)  # between two of them, at least and at most
_DRAIN_S: Final = 120.0
_POLL_S: Final = 0.5
_IDLE_S: Final = 30.0  # in which the server becomes idle once all is answered


@dataclass(frozen=True)
class SoakSettings:
    """What is requested. for_s: seconds. rate: requests/s, 0: near the last bench's most."""

    for_s: float
    rate: float = 0.0


def run_soak(host: Host, settings: SoakSettings, known_hosts: Path, console: Console) -> SoakResult:
    """Send mixed traffic for a time and watch the server; Ctrl-C ends it with its result so far.

    Raises UsageError without a rate where no bench of this model and length is recorded.
    """
    with (
        recorded("soak", host, vars(settings)) as record,
        connected(host, known_hosts) as box,
    ):
        note_box(record, box)
        state = service_state(box.session)
        with client(box, state, timeout_s=30.0) as api:
            note_server(record, state, api.version())
            rate = settings.rate or knee(host, state)
            target = Target(api.base_url, state.model, state.ctx, api_key(box.session), state.url)
            picture = next(case.image for case in questions(state.model).cases if case.image)
            seed = random.SystemRandom().randrange(2**31)
            traffic = Traffic(read_limits(api, state, picture), picture, seed)
            console.print(f"{host.name}  {rate:.3g} requests/s for {rough(settings.for_s)}")
            run = SoakRun(box, api, settings.for_s, rate, console, record)
            found = run.soak(target, traffic)
        record.add("soak", **found.values())
        record.exit_code = 1 if found.faults else 0
    return found


@dataclass
class SoakRun:
    """One soak, as it goes."""

    box: Connected
    api: Client
    for_s: float
    rate: float
    console: Console
    record: Record
    outcomes: list[SoakOutcome] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    _sampled: int = 0

    def soak(self, target: Target, traffic: Traffic) -> SoakResult:
        """Send the traffic until the time is over, Ctrl-C, or the server's end."""
        period_s = min(max(self.for_s / _SAMPLES, _PERIOD_S[0]), _PERIOD_S[1])
        with ExitStack() as stack:
            watch = Watch(self.box, self.api.metrics, period_s, self._on_sample)
            before = watch.sample()
            began = time.monotonic()
            stack.enter_context(watch)
            arrivals = self.rate / MEAN_REQUESTS
            senders = stack.enter_context(Senders(target, traffic, arrivals, self._on_outcome))
            try:
                self._wait(watch, began)
            except KeyboardInterrupt:
                self.console.print("ending: waiting for the answers that are still open")
            seconds = time.monotonic() - began
            unanswered = senders.finish(0.0 if watch.ended.is_set() else _DRAIN_S)
            death = self._death() if watch.ended.is_set() else ""
            after = None if death else self._idle(watch, before)
        return SoakResult(
            self.for_s, seconds, self.rate, self.outcomes, self.samples, before, after, death,
            unanswered,
        )  # fmt: skip

    def _wait(self, watch: Watch, began: float) -> None:
        """Print a line every LINE_S seconds until the time is over or the server has ended."""
        while (left := self.for_s - (time.monotonic() - began)) > 0:
            if watch.ended.wait(min(LINE_S, left)):
                return
            if (left := self.for_s - (time.monotonic() - began)) > 0:
                self._print(left)

    def _print(self, left_s: float) -> None:
        counts = {
            name: sum(each.outcome == name for each in self.outcomes)
            for name in (ANSWERED, FAILED, ABORTED, REFUSED)
        }
        words = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        self.console.print(
            f"{self.box.host.name}  {words}{_level(self.samples)}; {rough(left_s)} left",
            markup=False,
        )

    def _on_outcome(self, outcome: SoakOutcome) -> None:
        self.outcomes.append(outcome)
        if outcome.error:
            self.record.add("trouble", **vars(outcome))

    def _on_sample(self, sample: Sample) -> None:
        since, self._sampled = self._sampled, len(self.outcomes)
        ended = self.outcomes[since : self._sampled]
        latencies = [each.latency_s for each in ended if each.latency_s is not None]
        first = [each.ttft_s for each in ended if each.ttft_s is not None]
        self.samples.append(sample)
        self.record.add(
            "sample",
            **vars(sample),
            answered=len(latencies),
            latency_p50_s=percentile(latencies, 50),
            ttft_p50_s=percentile(first, 50),
        )

    def _death(self) -> str:
        """Return why the server ended, in a clause."""
        try:
            found = diagnose_server(self.box)
        except OnecardError as error:
            return f"the box or the server is gone: {error.message}"
        return f"the server ended: {found.cause.rstrip('.')}"

    def _idle(self, watch: Watch, before: Sample) -> Sample | None:
        """Return a sample of the idle server, once its KV cache is as empty as before.

        One with the cache still in use where it does not become so; None where it stays busy.
        """
        deadline, idle = time.monotonic() + _IDLE_S, None
        while time.monotonic() < deadline and not watch.ended.wait(_POLL_S):
            sample = watch.sample()
            if sample.is_idle:
                idle = sample
                if has_fallen_back(before, sample):
                    break
        return idle


def _level(samples: list[Sample]) -> str:
    """Return `; KV 12 %, processes 3.4 GiB, card 79.1 GiB` of the newest sample."""
    if not samples:
        return ""
    last = samples[-1]
    words = []
    if last.kv_use is not None:
        words.append(f"KV {100 * last.kv_use:.0f} %")
    if last.process_gib is not None:
        words.append(f"processes {last.process_gib:.1f} GiB")
    if last.card_mib:
        words.append(f"card {sum(last.card_mib) / 1024:.1f} GiB")
    return f"; {', '.join(words)}" if words else ""
