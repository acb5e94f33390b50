"""`invoke bench`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console

from onecard import cli
from onecard.bench_serve.agreement import DIFFER, Agreement, looks_at
from onecard.bench_serve.bench import Bench, tunnel_values
from onecard.bench_serve.figures import Bounds
from onecard.bench_serve.loads import Load, Requests, auto_rates
from onecard.bench_serve.table import render_agreement, render_loads, render_tunnel
from onecard.bench_serve.vllm_bench import STOP
from onecard.connect import connected
from onecard.console import progress_console
from onecard.engine import gather
from onecard.errors import UnreachableError
from onecard.host import Host
from onecard.measure.progress import Steps
from onecard.questions import questions
from onecard.runs import Record, recorded
from onecard.runs.facts import ask_software
from onecard.runs.smoke import note_server
from onecard.server import api_key, client, service_state

_TUNNEL_ROUNDS = 3


@dataclass(frozen=True)
class Wanted:
    """What to measure. rates: empty for some that follow from what the concurrencies reach.

    repeats, most_repeats: of the load that both generators make, at least and at most.
    """

    concurrencies: Sequence[int]
    rates: Sequence[float]
    images: Sequence[int]
    input_tokens: int
    output_tokens: int
    requests: int
    repeats: int
    most_repeats: int
    bounds: Bounds

    def load(self, name: str, images: int) -> Load:
        """Return a load without a rate or a concurrency."""
        pictures = {0: "text", 1: "image"}.get(images, f"{images} images")
        return Load(
            f"{pictures}, {name}", self.requests, self.input_tokens, self.output_tokens, images
        )

    @property
    def steps(self) -> int:
        """Return how many loads that makes, but for those of both generators."""
        rates = len(self.rates) or len(auto_rates(1.0))
        sweep = len(self.images) * (len(self.concurrencies) + rates)
        return sweep + 2 * _TUNNEL_ROUNDS


def bench(requested: str, wanted: Wanted, *, as_json: bool) -> int:
    """Make every load; return 1 when a request failed or the two generators differ."""
    host = cli.chosen_host(requested)
    parameters = asdict(wanted)
    with recorded("bench", host, parameters) as record, _clean_box(host):
        with opened(host, record, wanted.bounds) as made:
            title = f"{host.name}  bench"
            with Steps(progress_console(), title, [1.0] * wanted.steps) as steps:
                loads = sweep(made, wanted, steps.step)
                tunnel = through_the_tunnel(made, wanted, record, steps.step)
            compared = both_generators(made, wanted, record, title)
        record.exit_code = 1 if made.failed or compared.verdict == DIFFER else 0
    if as_json:
        cli.print_json(
            {
                "host": host.name,
                "loads": loads,
                "agreement": compared.values(),
                "tunnel": tunnel,
            }
        )
    else:
        output = Console(highlight=False)
        render_loads(loads, output)
        output.print()
        render_agreement(compared, output)
        output.print()
        render_tunnel(tunnel, output)
    return record.exit_code


@contextmanager
def opened(host: Host, record: Record, bounds: Bounds) -> Iterator[Bench]:
    """Connect, note what is measured, and yield a bench that is ready to go."""
    with connected(host, cli.known_hosts()) as box:
        record.facts(gather(box.session, None), ask_software(box.session))
        state = service_state(box.session)
        with client(box, state) as api, client(box, state, timeout_s=5.0) as watched:
            note_server(record, state, api.version())
            pictures = [case.image for case in questions(state.model).cases if case.image]
            made = Bench(
                box,
                state,
                api,
                key=api_key(box.session),
                watched=watched,
                requests=Requests(api.count_tokens, pictures),
                bounds=bounds,
                record=record,
            )
            made.prepare()
            yield made


def sweep(
    made: Bench, wanted: Wanted, on_load: Callable[[str], None] = lambda name: None
) -> list[dict[str, Any]]:
    """Make the loads of every concurrency, then of every rate, for every number of images."""
    found: list[dict[str, Any]] = []

    def make(load: Load) -> dict[str, Any]:
        # A seed of its own for each: no load meets what another has left in a cache.
        values = made.vllm(replace(load, seed=len(found) + 1))
        found.append(values)
        on_load(load.name)
        return values

    for images in wanted.images:
        best = 0.0
        for concurrency in wanted.concurrencies:
            load = replace(wanted.load(f"{concurrency} at once", images), concurrency=concurrency)
            best = max(best, make(load)["requests_per_s"] or 0.0)
        for rate in wanted.rates or auto_rates(best):
            make(replace(wanted.load(f"{rate:g}/s", images), rate=rate))
    return found


def both_generators(made: Bench, wanted: Wanted, record: Record, title: str) -> Agreement:
    """Make one load by both generators in turn, until it is told whether their figures agree."""
    middle = sorted(wanted.concurrencies)[len(wanted.concurrencies) // 2]
    load = replace(wanted.load(f"{middle} at once, by both", wanted.images[-1]), concurrency=middle)
    looks = looks_at(wanted.repeats, wanted.most_repeats)
    theirs: list[dict[str, Any]] = []
    ours: list[dict[str, Any]] = []
    turns = ((made.vllm, theirs), (made.onecard_on_box, ours))
    compared = Agreement(load.name, (), 0)
    for look in looks:
        steps_of = [1.0] * (2 * (look - len(ours)))
        with Steps(progress_console(), f"{title}, by both", steps_of) as steps:
            for number in range(len(ours), look):
                # Who goes first alternates: the second may meet a warmer box.
                for seed, (make, found) in enumerate(turns if number % 2 == 0 else turns[::-1]):
                    found.append(make(replace(load, seed=1000 + 2 * number + seed)))
                    steps.step(load.name)
        compared = Agreement.of(load.name, theirs, ours, len(looks))
        if compared.is_told:
            break
    record.add("agreement", **compared.values())
    return compared


def through_the_tunnel(
    made: Bench,
    wanted: Wanted,
    record: Record,
    on_load: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Send one request at a time through the tunnel and on the box, in turn."""
    load = replace(wanted.load("1 at once, tunnel or box", wanted.images[-1]), concurrency=1)
    load = replace(load, requests=min(wanted.requests, 12))
    tunnel, box = [], []
    for number in range(_TUNNEL_ROUNDS):
        tunnel.append(made.onecard_through_tunnel(replace(load, seed=2000 + 2 * number)))
        on_load(load.name)
        box.append(made.onecard_on_box(replace(load, seed=2001 + 2 * number)))
        on_load(load.name)
    values = tunnel_values(tunnel, box)
    record.add("tunnel", **values)
    return values


@contextmanager
def _clean_box(host: Host) -> Iterator[None]:
    """Leave nothing on the box, also after Ctrl-C: the interrupted connection is not trusted."""

    def clean() -> None:
        with connected(host, cli.known_hosts()) as box:
            box.session.run(STOP)

    try:
        yield
    except UnreachableError:
        raise
    except BaseException:
        clean()
        raise
    clean()
