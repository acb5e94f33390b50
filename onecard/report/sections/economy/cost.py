"""What tokens cost on this host, and what it has cost since it was provisioned."""

from __future__ import annotations

from collections.abc import Iterator

from onecard.records import Run
from onecard.records.price import LoadCost, Price, RepeatedCost, Spent
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Block, Column, Missing, Paragraph, Section, Table
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Evidence
from onecard.report.evidence.provenance import day_and_time, source
from onecard.report.sections.load import sweep
from onecard.report.sections.load_names import offered, shape

_BY_BOTH, _VLLM = "by both", "vllm bench serve"


def section(evidence: Evidence) -> Section:
    """Return what was spent and what tokens cost, or the command that measures it."""
    price = price_of(evidence)
    if price is None:
        nothing = Missing(
            "No record has a price, so the cost is unknown. Set price_per_hour for the host, or:",
            f"invoke bench --host {evidence.host} -e price_per_hour=1.39",
        )
        return Section("cost", "Cost", (nothing,))
    blocks: list[Block] = [Paragraph(" ".join(_spent(evidence, price)))]
    run = evidence.latest("bench", "load")
    if run is None:
        blocks.append(
            Missing(
                "What tokens cost has not been measured.", f"invoke bench --host {evidence.host}"
            )
        )
        return Section("cost", "Cost", tuple(blocks))
    blocks.append(_table(run, price))
    return Section("cost", "Cost", tuple(blocks))


def price_of(evidence: Evidence) -> Price | None:
    """Return the newest price in the records."""
    prices = (Price.of(run.begin.get("settings") or {}) for run in reversed(evidence.runs))
    return next(filter(None, prices), None)


def repeated(run: Run, price: Price) -> RepeatedCost | None:
    """Return what tokens cost under the load that a bench repeats; None without its rounds."""
    rounds = [
        load
        for load in run.all("load")
        if str(load.get("name")).endswith(_BY_BOTH) and load.get("generator") == _VLLM
    ]
    return RepeatedCost.of(rounds, price)


def _spent(evidence: Evidence, price: Price) -> Iterator[str]:
    yield f"The host costs {price.text(price.per_hour)} an hour."
    spent = Spent.of(evidence.runs, price, str(evidence.runs[-1].events[-1].get("time", "")))
    if spent is not None:
        yield (
            f"From its first provision in the records, {day_and_time(spent.since)}, to the end of "
            f"the last run, {day_and_time(spent.until)}, are {spent.hours:.1f} hours: "
            f"{price.text(spent.amount)}, if it was rented all that time."
        )


def _table(run: Run, price: Price) -> Table:
    loads = sweep(run)
    costs = [LoadCost.of(load, price) for load in loads]
    return Table(
        "cost-table",
        "A million tokens under each load",
        (
            Column("offered", "sent"),
            Column("shape", "each request"),
            Column("generated", f"generated, {price.currency}", Kind.RATE),
            Column("all_tokens", f"prompt and generated, {price.currency}", Kind.RATE),
        ),
        tuple(
            (offered(load), shape(load), cost.generated, cost.all_tokens)
            for load, cost in zip(loads, costs, strict=True)
        ),
        " ".join(
            [
                "No load separates prompt from generated tokens: the price of those generated "
                "includes their prompts.",
                *_repeated_words(run, price),
                source(run),
            ]
        ),
    )


def _repeated_words(run: Run, price: Price) -> Iterator[str]:
    found = repeated(run, price)
    if found is None:
        return
    generated, together = found.generated, found.all_tokens
    yield (
        f"Repeated {found.rounds} times ({found.name}): {price.text(generated.value)} generated "
        f"({numbers.LEVEL} {price.text(generated.low)} to {price.text(generated.high)}), "
        f"{price.text(together.value)} together ({price.text(together.low)} to "
        f"{price.text(together.high)})."
    )
