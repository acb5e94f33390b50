"""The tables of a comparison for what was proved under load, what is reused, and cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from onecard.report.blocks.blocks import Column, Missing, Table
from onecard.report.blocks.numbers import Kind
from onecard.report.compare.rows import Row, judged, single_row, table_columns, table_row
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.noise import Comparison
from onecard.report.sections import verdict
from onecard.report.sections.economy.cost import price_of, repeated
from onecard.report.sections.economy.reuse import about, pairs_of
from onecard.statistics.geometric_mean import Mean, ratio_of

_SIDE = Column("side", "")


def verdict_table(a: Evidence, b: Evidence) -> Table:
    """Return the answers of both verdicts."""
    return Table(
        "verdict-table",
        "The verdict on both",
        (Column("question", ""), Column("a", "A"), Column("b", "B")),
        tuple(
            (one.question, one.answer, two.answer)
            for one, two in zip(verdict.answers(a), verdict.answers(b), strict=True)
        ),
        "What each answer stands on is in the report of its host alone.",
    )


def certificate_table(a: Evidence, b: Evidence) -> Table | None:
    """Return what certify proved on both sides."""
    sides = [_certificate(side) for side in (a, b)]
    if not all(sides):
        return None
    return Table.of_events(
        "certificate-table",
        "Full requests at once",
        (
            _SIDE,
            Column("requests", "sent at once", Kind.COUNT),
            Column("ctx", "tokens each", Kind.COUNT),
            Column("held_at_once", "held", Kind.COUNT),
            Column("expected", "by vLLM's log", Kind.RATIO),
            Column("kv_use", "KV used", Kind.SHARE),
            Column("last_in_s", "last one in", Kind.TENTHS, "time"),
            Column("next_in_s", "one more in", Kind.TENTHS, "time"),
        ),
        ({"side": name, **found} for name, found in zip("AB", sides, strict=True)),
        "Each was proved once, so no interval is given. One more: the first token of the last of "
        "one request more.",
    ).filled()


def _certificate(side: Evidence) -> Event:
    run = side.latest("certify", "certificate")
    if run is None:
        return {}
    loads = {load.get("name"): load for load in run.all("held")}
    different, more = (loads.get(name, {}) for name in ("different", "one more"))
    found: Event = run.last("certificate") or {}
    return {
        **found,
        "held_at_once": different.get("at_once"),
        "last_in_s": different.get("last_in_s"),
        "next_in_s": more.get("last_in_s"),
    }


def soak_table(a: Evidence, b: Evidence) -> Table | None:
    """Return what both sides did under mixed load for a time."""
    runs = [side.latest("soak", "soak") for side in (a, b)]
    rows = []
    for name, run in zip("AB", runs, strict=True):
        if run is None:
            return None
        found = run.last("soak") or {}
        counts: Event = found.get("counts") or {}
        times: Event = found.get("latency_s") or {}
        growth: Event = found.get("process_growth_gib") or {}
        values = {"side": name, "answered": counts.get("answered"), "failed": counts.get("failed")}
        rows.append({**values, "seconds": found.get("seconds"), "rate": found.get("rate")})
        rows[-1] |= {**times, **growth}
    return Table.of_events(
        "soak-table",
        "Mixed load for a time",
        (
            _SIDE,
            Column("seconds", "for", Kind.TENTHS),
            Column("rate", "requests/s", Kind.RATE),
            Column("answered", "answered", Kind.COUNT),
            Column("failed", "failed", Kind.COUNT),
            Column("p50", "whole answer p50", Kind.SECONDS, "time"),
            Column("p95", "p95", Kind.SECONDS, "time"),
            Column("change", "memory changed", Kind.GIB, "memory"),
            Column("low", "95 % from", Kind.GIB, "memory"),
            Column("high", "to", Kind.GIB, "memory"),
        ),
        rows,
        "Memory: of the server's processes, over the last two thirds of the time. At different "
        "rates the times cannot be compared.",
    ).filled()


def reuse_table(a: Evidence, b: Evidence) -> Table | None:
    """Return for what was sent twice how much less the second time took, on both sides."""
    left, right = ({about(pair): pair for pair in _pairs(side)} for side in (a, b))
    rows: list[Row] = []
    for name in (name for name in left if name in right):
        one, two = _mean(left[name]), _mean(right[name])
        if one and two:
            change = _change(one, two)
            rows.append(
                table_row(name, one.value, two.value, change, judged(change, less_is_better=True))
            )
    columns = table_columns("sent twice", Kind.RATIO)
    note = (
        "A, B: the time to the first token the second time by that of the first. The interval of "
        "B / A follows from those of both."
    )
    return Table("reuse-table", "Reuse on both", columns, tuple(rows), note) if rows else None


def _pairs(side: Evidence) -> Iterator[Event]:
    run = side.latest("cache", "cache")
    yield from pairs_of(run.last("cache") or {}) if run else ()


def _mean(pair: Event) -> Mean | None:
    values = [pair.get(key) for key in ("ratio", "low", "high")]
    return Mean(*map(float, values)) if all(values) else None  # type: ignore[arg-type]


def _change(one: Mean, two: Mean) -> Comparison:
    found = ratio_of(one, two)
    return Comparison(found.value, found.low, found.high)


def cost_table(a: Evidence, b: Evidence) -> Table | Missing | None:
    """Return what a million tokens cost on both sides; None in two currencies."""
    prices = [price_of(side) for side in (a, b)]
    runs = [side.latest("bench", "load") for side in (a, b)]
    for side, price in zip((a, b), prices, strict=True):
        if price is None:
            again = f"invoke bench --host {side.host} -e price_per_hour=1.39"
            return Missing(f"No record of {side.label} has a price.", again)
    first, second = prices
    if first is None or second is None or first.currency != second.currency:
        return None
    rows: list[Row] = [single_row("an hour", first.per_hour, second.per_hour)]
    found = [
        repeated(run, price) if run and price else None
        for run, price in zip(runs, prices, strict=True)
    ]
    left, right = found
    if left and right and left.name == right.name:
        for name, one, two in (
            ("a million generated tokens", left.generated, right.generated),
            ("a million tokens, prompt and generated", left.all_tokens, right.all_tokens),
        ):
            change = _change(one, two)
            rows.append(table_row(name, one.value, two.value, change, judged(change)))
    note = f"In {first.currency}. Under the load that bench repeats on both sides"
    note += f": {left.name}." if left else ", which was not measured."
    columns = table_columns("price", Kind.RATE)
    return Table("cost-table", "Cost of both", columns, tuple(rows), note)


@dataclass(frozen=True)
class ProofTable:
    """A section of a comparison. kind, event: of the records that it needs on both sides."""

    key: str
    title: str
    kind: str
    event: str
    table: Callable[[Evidence, Evidence], Table | Missing | None]


PROOFS: Final = (
    ProofTable(
        "certificate", "Requests at once, proved", "certify", "certificate", certificate_table
    ),
    ProofTable("soak", "Under mixed load for a time", "soak", "soak", soak_table),
    ProofTable("reuse", "Reuse of earlier requests", "cache", "cache", reuse_table),
    ProofTable("cost", "Cost", "bench", "load", cost_table),
)
