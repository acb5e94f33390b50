"""What a server did under mixed load for a time, measured by `invoke soak`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import (
    Block,
    Column,
    Missing,
    Paragraph,
    Plot,
    Section,
    Table,
    Warn,
)
from onecard.report.blocks.chart import Chart, Series
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import source

_DRAWN = 60  # points of a line, about
_TITLE = "Under mixed load for a time"


def section(evidence: Evidence) -> Section:
    """Return the verdict, the outcomes and curves over time, or the command that measures them."""
    run = evidence.latest("soak", "soak")
    if run is None:
        nothing = Missing(
            "Whether the server keeps up under mixed load has not been tried.",
            f"invoke soak --host {evidence.host} --for 30m",
        )
        return Section("soak", _TITLE, (nothing,))
    found, samples = run.last("soak") or {}, run.all("sample")
    line = str(found.get("line"))
    blocks: list[Block] = [
        Paragraph(f"{line}.") if found.get("ok") else Warn(f"{line}."),
        Paragraph(
            "Conversations of one to four turns about pictures of mixed sizes and numbers, with "
            f"{numbers.three_digits(float(found.get('rate') or 0))} requests a second at random "
            "times; one arrival of ten is aborted, one of ten is wrong and has to be refused."
        ),
        _levels(found, samples, run),
        _times(found),
        *_curves(samples),
    ]
    return Section("soak", _TITLE, tuple(blocks))


def _levels(found: Event, samples: Sequence[Event], run: Run) -> Table:
    rows = []
    for name, key in (("main memory of its processes", "process"), ("memory of the cards", "card")):
        levels = [each for sample in samples if (each := _gib(sample, key)) is not None]
        growth: Event = found.get(f"{key}_growth_gib") or {}
        if levels:
            first, most, last = levels[0], max(levels), levels[-1]
            rows.append({**growth, "what": name, "first": first, "most": most, "last": last})
    kv = tuple(numbers.share(found.get(f"kv_use_{each}")) for each in ("before", "peak", "after"))
    return Table.of_events(
        "soak-levels",
        "Memory over time",
        (
            Column("what", ""),
            Column("first", "first", Kind.GIB),
            Column("most", "most", Kind.GIB),
            Column("last", "last", Kind.GIB),
            Column("change", "change", Kind.GIB),
            Column("low", "95 % from", Kind.GIB),
            Column("high", "to", Kind.GIB),
        ),
        rows,
        "Change: over the last two thirds of the time. KV cache in use: "
        f"{kv[0]} before, {kv[1]} at most, {kv[2]} after the last answer. {source(run)}",
    )


def _gib(sample: Event, key: str) -> float | None:
    if key == "process":
        return sample.get("process_gib")
    cards = sample.get("card_mib")
    return sum(cards) / 1024 if cards else None


def _times(found: Event) -> Table:
    drift: Event = found.get("latency_drift") or {}
    words = ""
    if drift:
        words = (
            "At the end an answer took "
            f"{numbers.ratio(drift['change'])} as long as at the beginning "
            f"({numbers.LEVEL} {numbers.ratio(drift['low'])} to {numbers.ratio(drift['high'])})."
        )
    return Table.of_events(
        "soak-times",
        "Times of the answers",
        (
            Column("what", ""),
            *(Column(each, each, Kind.SECONDS, "times") for each in ("p50", "p95", "p99")),
        ),
        (
            {**(found.get(key) or {}), "what": name}
            for name, key in (("first token", "ttft_s"), ("whole answer", "latency_s"))
        ),
        words,
    )


def _curves(samples: Sequence[Event]) -> Iterator[Plot]:
    lines = (
        ("latency", "Latency over time", "seconds to the whole answer, p50", "latency_p50_s"),
        ("memory", "Main memory of the server's processes", "GiB", "process"),
        ("cards", "Memory of the cards", "GiB", "card"),
    )
    samples = [sample for sample in samples if sample.get("at_s") is not None]
    for key, title, label, name in lines:
        points = [
            (float(sample["at_s"]) / 60, value)
            for sample in samples[:: max(1, len(samples) // _DRAWN)]
            if (value := sample.get(name) if key == "latency" else _gib(sample, name)) is not None
        ]
        if len(points) < 3:
            continue
        values = [value for _, value in points]
        yield Plot(
            f"soak-{key}",
            title,
            f"Line over {numbers.three_digits(points[-1][0])} minutes: "
            f"{numbers.three_digits(values[0])} at first, {numbers.three_digits(values[-1])} at "
            f"the end, at most {numbers.three_digits(max(values))}.",
            Chart(
                "minutes",
                label,
                (Series(title, tuple(x for x, _ in points), tuple(values)),),
            ),
        )
