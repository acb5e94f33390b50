"""The result of certify on a terminal: the loads, their requests, the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from onecard.console.whole_table import figure_table, print_whole
from onecard.measure.bench.figures import tpot
from onecard.measure.certify.certificate import Certificate
from onecard.measure.certify.proof import Proof
from onecard.smoke.smoke_table import duration

_SHOWN = 8  # requests of a load that are listed; of more, the first and the last half


def print_certificate(found: Certificate, console: Console) -> None:
    """Print each load and its requests, in the order in which they came in, then the verdict."""
    headings = ("last in", "first done", "KV seen", "expected", "preempted", "cached")
    loads = figure_table("load", "answered", "held", *headings)
    requests = figure_table("load", "request", "tokens", "TTFT", "TPOT", "answered in")
    for name, proof in _named(found):
        loads.add_row(name, *_load(found, proof))
        for row in _requests(proof):
            requests.add_row(name, *row)
    print_whole(loads, console)
    console.print()
    print_whole(requests, console)
    style = "bold" if found.held else "bold red"
    console.print(f"\n{found.line}", style=style, markup=False, soft_wrap=True)


def _named(found: Certificate) -> tuple[tuple[str, Proof], ...]:
    count = found.different.requests
    return (
        (f"{count} different", found.different),
        (f"{count + 1} different", found.one_more),
        (f"{count}, one document", found.shared),
    )


def _load(found: Certificate, proof: Proof) -> tuple[str, ...]:
    seen = proof.seen
    expected = None
    if proof is found.different and seen.tokens:
        expected = found.capacity.kv_use(proof.requests, seen.tokens / proof.requests)
    return (
        f"{len(proof.answered)} of {proof.requests}",
        "-" if proof.at_once is None else f"{proof.at_once}",
        duration(proof.last_in_s),
        duration(proof.first_end_s),
        _share(seen.kv_use if expected else seen.kv_use_peak),
        _share(expected),
        "-" if seen.preemptions is None else f"{seen.preemptions:,.0f}",
        "-" if seen.prefix_hits is None else f"{seen.prefix_hits:,.0f}",
    )


def _requests(proof: Proof) -> Iterator[tuple[str, ...]]:
    rows = [
        (
            f"{number}",
            f"{each['prompt_tokens']:,} + {each['completion_tokens']:,}",
            duration(each["ttft_s"]),
            duration(tpot(each)),
            duration(each["latency_s"]),
        )
        for number, each in enumerate(proof.answered, start=1)
    ]
    if len(rows) > _SHOWN:
        rows[_SHOWN // 2 : -(_SHOWN // 2)] = [("...",) * 5]
    yield from rows


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
