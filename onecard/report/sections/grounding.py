"""The effect of text around a picture on the answers about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

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
    Tone,
    Verdict,
    Warn,
)
from onecard.report.blocks.chart import Chart, Reference, Series
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import source

X_LABEL = "tokens in the request"


def section(evidence: Evidence) -> Section:
    """Return verdict, curve, table and latency, or the command that measures them."""
    run = evidence.latest("stress", "cell")
    if run is None:
        nothing = Missing(
            "What long text before or after a picture does to the answers has not been measured.",
            f"invoke stress --host {evidence.host}",
        )
        return Section("grounding", "Long text and grounding", (nothing,))
    cells = _sorted(run.all("cell"))
    curve = run.last("curve") or {}
    blocks: list[Block] = []
    if curve.get("verdict"):
        blocks.append(Paragraph(str(curve["verdict"]).rstrip(".") + "."))
    if curve.get("trouble"):
        blocks.append(Warn(f"This is not evidence of grounding: {curve['trouble']}."))
    if control := _control(curve):
        blocks.append(control)
    blocks += _curve(curve)
    blocks += _by_prefix(cells, curve)
    blocks.append(_table(cells, run))
    blocks += _latency(cells)
    return Section("grounding", "Long text and grounding", tuple(blocks))


def _sorted(cells: Sequence[Event]) -> list[Event]:
    """Return the controls first, then the kinds of text in measured order, by length."""
    kinds = list(dict.fromkeys(str(cell.get("prefix")) for cell in cells))

    def place(cell: Event) -> tuple[Any, ...]:
        position = str(cell.get("position"))
        control = position != "no image" if cell.get("prefix") == "none" else 2
        return control, kinds.index(str(cell.get("prefix"))), position, _length_aimed(cell)

    return sorted(cells, key=place)


def _length_aimed(event: Event) -> float:
    return float(event.get("target_tokens") or 0)


def _control(curve: Event) -> Paragraph | None:
    blind: Event = curve.get("without_image") or {}
    if not blind.get("asked"):
        return None
    words = (
        f"Control: without any picture {blind.get('right')} of {blind['asked']} questions were "
        "answered right"
    )
    if curve.get("guessable") is not None:
        words += f"; one fixed answer would get {numbers.share(curve['guessable'])} right"
    return Paragraph(words + ".")


def measured(found: Sequence[Event]) -> list[Event]:
    """Return the events with an accuracy, by length."""
    usable = [each for each in found if each.get("accuracy") is not None]
    return sorted(usable, key=_length)


def _length(event: Event) -> float:
    return float(event.get("prompt_tokens") or event.get("target_tokens") or 0)


def line(name: str, points: Sequence[Event]) -> Series:
    """Return the accuracies with their intervals over the length of the request."""
    return Series(
        name,
        tuple(_length(point) for point in points),
        tuple(float(point["accuracy"]) for point in points),
        tuple(float(_or(point.get("low"), point["accuracy"])) for point in points),
        tuple(float(_or(point.get("high"), point["accuracy"])) for point in points),
    )


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _references(curve: Event) -> tuple[Reference, ...]:
    guessable = curve.get("guessable")
    return () if guessable is None else (Reference("one fixed answer", float(guessable)),)


def ticks(points: Sequence[Event]) -> tuple[tuple[float, str], ...]:
    """Return a tick for each length."""
    return tuple(
        (length, f"{length:,.0f}") for length in sorted({_length(each) for each in points})
    )


def _curve(curve: Event) -> Iterator[Block]:
    points = measured(curve.get("points") or ())
    if len(points) < 2:
        return
    words = ", ".join(
        f"{_length(point):,.0f} tokens {numbers.share(point['accuracy'])} "
        f"({numbers.interval(point.get('low'), point.get('high'))})"
        for point in points
    )
    yield Plot(
        "grounding-curve",
        "Picture questions answered right, by length of the request",
        f"Line with 95 % confidence intervals, over all kinds of text: {words}.",
        Chart(
            X_LABEL,
            "answered right",
            (line("all kinds of text", points),),
            ticks(points),
            x_log=True,
            y_share=True,
            references=_references(curve),
        ),
    )
    yield Table.of_events(
        "grounding-points",
        "The same in numbers, over all kinds of text",
        (
            Column("target_tokens", "tokens of text", Kind.COUNT),
            Column("prompt_tokens", "tokens in the request", Kind.COUNT),
            Column("asked", "asked", Kind.COUNT),
            Column("right", "right", Kind.COUNT),
            Column("accuracy", "right", Kind.SHARE),
            Column("low", "95 % from", Kind.SHARE),
            Column("high", "to", Kind.SHARE),
        ),
        points,
        "Wilson's interval for a share. A request that exceeds the context is not counted wrong. "
        "Each kind of text has questions about the same pictures. The more alike the answers about "
        "one picture are, the fewer the intervals count them.",
    )


def _by_prefix(cells: Sequence[Event], curve: Event) -> Iterator[Block]:
    """Yield a plot for each position of the picture, with a line for each kind of text."""
    positions = dict.fromkeys(
        str(cell.get("position")) for cell in cells if cell.get("prefix") not in (None, "none")
    )
    for number, position in enumerate(positions, start=1):
        here = [cell for cell in cells if str(cell.get("position")) == position]
        kinds = dict.fromkeys(str(cell.get("prefix")) for cell in here)
        lines = [
            line(kind, measured([cell for cell in here if str(cell.get("prefix")) == kind]))
            for kind in kinds
            if kind != "none"
        ]
        drawn = tuple(each for each in lines if len(each.x) > 1)
        if not drawn:
            continue
        words = "; ".join(
            f"{each.name}: "
            + ", ".join(
                f"{x:,.0f} tokens {numbers.share(y)}" for x, y in zip(each.x, each.y, strict=True)
            )
            for each in drawn
        )
        yield Plot(
            f"grounding-kinds-{number}",
            f"By kind of text, {position}",
            f"Lines with 95 % confidence intervals. {words}.",
            Chart(
                X_LABEL,
                "answered right",
                drawn,
                ticks([cell for cell in measured(here) if cell.get("prefix") != "none"]),
                x_log=True,
                y_share=True,
                references=_references(curve),
            ),
        )


def _table(cells: Sequence[Event], run: Run) -> Table:
    return Table(
        "stress-table",
        "Every kind, place and length",
        (
            Column("prefix", "text"),
            Column("position", "picture"),
            Column("prefix_tokens", "tokens of text", Kind.COUNT),
            Column("prompt_tokens", "in the request", Kind.COUNT),
            Column("accuracy", "right", Kind.SHARE),
            Column("interval", "95 % interval", Kind.COUNT),
            Column("outcome", "outcome"),
            Column("latency_p50_s", "latency p50", Kind.SECONDS, "latency"),
            Column("ttft_p50_s", "TTFT p50", Kind.SECONDS, "latency"),
        ),
        tuple(
            (
                cell.get("prefix"),
                cell.get("position"),
                _or(cell.get("prefix_tokens"), cell.get("target_tokens")),
                cell.get("prompt_tokens"),
                cell.get("accuracy"),
                numbers.interval(cell.get("low"), cell.get("high")),
                outcome(cell),
                cell.get("latency_p50_s"),
                cell.get("ttft_p50_s"),
            )
            for cell in cells
        ),
        source(run),
    )


def outcome(cell: Event) -> Verdict | str:
    """Return the outcome of a cell's requests, in words."""
    answered, failed, exceeds = (int(cell.get(key) or 0) for key in ("asked", "failed", "exceeds"))
    if failed:
        return Verdict(f"{failed} of {answered + failed} failed", Tone.BAD)
    if exceeds and not answered:
        return Verdict("exceeds limit", Tone.QUIET)
    words = f"{cell.get('right')} of {answered} right"
    return f"{words}, {exceeds} exceed the limit" if exceeds else words


def _latency(cells: Sequence[Event]) -> Iterator[Block]:
    timed = sorted(
        (
            cell
            for cell in cells
            if cell.get("latency_p50_s") and cell.get("position") != "no image"
        ),
        key=_length,
    )
    if len({_length(cell) for cell in timed}) < 2:
        return
    lengths: dict[float, list[Event]] = {}
    for cell in timed:
        lengths.setdefault(_length_aimed(cell), []).append(cell)
    groups = list(lengths.values())
    x = tuple(median(_length(cell) for cell in group) for group in groups)
    series = [
        Series(name, x, tuple(median(float(cell[key]) for cell in group) for group in groups))
        for name, key in (("whole answer", "latency_p50_s"), ("first token", "ttft_p50_s"))
        if all(cell.get(key) for cell in timed)
    ]
    words = ", ".join(
        f"{length:,.0f} tokens {numbers.seconds(y)}"
        for length, y in zip(x, series[0].y, strict=True)
    )
    yield Plot(
        "stress-latency",
        "Latency by length of the request",
        f"Lines; whole answer, median: {words}.",
        Chart(
            X_LABEL,
            "seconds, median",
            tuple(series),
            tuple((length, f"{length:,.0f}") for length in x),
            x_log=True,
        ),
    )
