"""Runs a whole bench: the sweep, the tunnel, and one load by both generators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from onecard.console.steps import Steps
from onecard.errors import UnreachableError
from onecard.inventory.host import Host
from onecard.measure.bench.agreement import DIFFER, Agreement, looks_at
from onecard.measure.bench.bench_settings import TUNNEL_ROUNDS, BenchSettings
from onecard.measure.bench.figures import Bounds
from onecard.measure.bench.load_runner import LoadRunner, tunnel_values
from onecard.measure.bench.loads import Load, Requests, auto_rates
from onecard.measure.bench.vllm_bench import STOP
from onecard.records import Record, recorded
from onecard.server.client import api_key, client
from onecard.server.state import service_state
from onecard.smoke.questions import questions
from onecard.smoke.recorded import note_box, note_server
from onecard.ssh.login import Connected, connected


@dataclass(frozen=True)
class BenchResult:
    """The figures of each load, of both generators side by side, and of the tunnel.

    repeated: those of vLLM's generator in each round of the load that both make.
    exit_code: 1 when a request failed or the two generators differ.
    """

    loads: list[dict[str, Any]]
    repeated: list[dict[str, Any]]
    agreement: Agreement
    tunnel: dict[str, Any]
    exit_code: int


def run_bench(
    host: Host, settings: BenchSettings, known_hosts: Path, console: Console
) -> BenchResult:
    """Make every load on a host's server and record it."""
    with (
        recorded("bench", host, asdict(settings)) as record,
        clean_box(host, known_hosts),
    ):
        with _runner(host, known_hosts, record, settings.bounds) as runner:
            title = f"{host.name}  bench"
            with Steps(console, title, [1.0] * settings.steps) as steps:
                loads = sweep(runner, settings, steps.step)
                tunnel = through_the_tunnel(runner, settings, record, steps.step)
            compared, repeated = both_generators(runner, settings, record, title, console)
        record.exit_code = 1 if runner.failed or compared.verdict == DIFFER else 0
    return BenchResult(loads, repeated, compared, tunnel, record.exit_code)


@contextmanager
def _runner(host: Host, known_hosts: Path, record: Record, bounds: Bounds) -> Iterator[LoadRunner]:
    """Connect, record what is measured, and yield a runner that is prepared."""
    with connected(host, known_hosts) as box:
        note_box(record, box)
        with open_runner(box, record, bounds) as runner:
            yield runner


@contextmanager
def open_runner(box: Connected, record: Record, bounds: Bounds) -> Iterator[LoadRunner]:
    """Record which server is measured, and yield a runner that is prepared."""
    state = service_state(box.session)
    with client(box, state) as api, client(box, state, timeout_s=5.0) as watched:
        note_server(record, state, api.version())
        pictures = [case.image for case in questions(state.model).cases if case.image]
        runner = LoadRunner(
            box,
            state,
            api,
            key=api_key(box.session),
            watched=watched,
            requests=Requests(api.count_tokens, pictures),
            bounds=bounds,
            record=record,
        )
        runner.prepare()
        yield runner


def sweep(
    runner: LoadRunner, settings: BenchSettings, on_load: Callable[[str], None] = lambda name: None
) -> list[dict[str, Any]]:
    """Make the loads of every concurrency, then of every rate, for every number of images."""
    found: list[dict[str, Any]] = []

    def make(load: Load) -> dict[str, Any]:
        # A seed of its own for each: no load meets what another has left in a cache.
        values = runner.vllm(replace(load, seed=len(found) + 1))
        found.append(values)
        on_load(load.name)
        return values

    for images in settings.images:
        best = 0.0
        for concurrency in settings.concurrencies:
            load = replace(settings.load(f"{concurrency} at once", images), concurrency=concurrency)
            best = max(best, make(load)["requests_per_s"] or 0.0)
        for rate in settings.rates or auto_rates(best):
            make(replace(settings.load(f"{rate:g}/s", images), rate=rate))
    return found


def both_generators(
    runner: LoadRunner, settings: BenchSettings, record: Record, title: str, console: Console
) -> tuple[Agreement, list[dict[str, Any]]]:
    """Make one load by both generators in turn, until it is settled whether their figures agree.

    Return the comparison, and the figures of vLLM's generator in each round.
    """
    middle = sorted(settings.concurrencies)[len(settings.concurrencies) // 2]
    load = replace(
        settings.load(f"{middle} at once, by both", settings.images[-1]), concurrency=middle
    )
    looks = looks_at(settings.repeats, settings.most_repeats)
    theirs: list[dict[str, Any]] = []
    ours: list[dict[str, Any]] = []
    turns = ((runner.vllm, theirs), (runner.onecard_on_box, ours))
    compared = Agreement(load.name, (), 0)
    for look in looks:
        steps_of = [1.0] * (2 * (look - len(ours)))
        with Steps(console, f"{title}, by both", steps_of) as steps:
            for number in range(len(ours), look):
                # Who goes first alternates: the second may meet a warmer box.
                for seed, (make, found) in enumerate(turns if number % 2 == 0 else turns[::-1]):
                    found.append(make(replace(load, seed=1000 + 2 * number + seed)))
                    steps.step(load.name)
        compared = Agreement.of(load.name, theirs, ours, len(looks))
        if compared.is_settled:
            break
    record.add("agreement", **compared.values())
    return compared, theirs


def through_the_tunnel(
    runner: LoadRunner,
    settings: BenchSettings,
    record: Record,
    on_load: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Send one request at a time through the tunnel and on the box, in turn."""
    load = replace(settings.load("1 at once, tunnel or box", settings.images[-1]), concurrency=1)
    load = replace(load, requests=min(settings.requests, 12))
    tunnel, box = [], []
    for number in range(TUNNEL_ROUNDS):
        tunnel.append(runner.onecard_through_tunnel(replace(load, seed=2000 + 2 * number)))
        on_load(load.name)
        box.append(runner.onecard_on_box(replace(load, seed=2001 + 2 * number)))
        on_load(load.name)
    values = tunnel_values(tunnel, box)
    record.add("tunnel", **values)
    return values


@contextmanager
def clean_box(host: Host, known_hosts: Path) -> Iterator[None]:
    """Leave nothing on the box, also after Ctrl-C, by a connection that was not interrupted."""

    def clean() -> None:
        with connected(host, known_hosts) as box:
            box.session.run(STOP)

    try:
        yield
    except UnreachableError:
        raise
    except BaseException:
        clean()
        raise
    clean()
