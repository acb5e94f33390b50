"""The memory of a start by use: the table and the bar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Block, Column, Missing, Plot, Section, Table
from onecard.report.blocks.chart import Bar, BarPart
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence

MIB_PER_GIB = 1024


@dataclass(frozen=True)
class StartMemory:
    """The memory of one start, GiB; None is what was not reported.

    peak: the most that was in use: on the card, or without one of the server's main memory.
    total: what the card, or the box, has.
    """

    ctx: int | None
    weights: float | None
    kv: float | None
    graphs: float | None
    peak: float | None
    total: float | None

    @property
    def headroom(self) -> float | None:
        """The memory that was never used, GiB."""
        return None if None in (self.peak, self.total) else self.total - self.peak  # type: ignore[operator]

    @property
    def other(self) -> float | None:
        """The part of the peak that is not weights, KV cache or graphs, GiB."""
        if self.peak is None:
            return None
        return max(self.peak - sum(filter(None, (self.weights, self.kv, self.graphs))), 0.0)


def section(evidence: Evidence) -> Section:
    """Return the table and the bar, or the command that measures them."""
    rows = tuple(memories(evidence))
    if not rows:
        nothing = Missing(
            "No start with its memory has been recorded.",
            f"invoke deploy --host {evidence.host}",
        )
        return Section("memory", "Memory", (nothing,))
    on_card = bool(evidence.facts.get("gpus"))
    place = "the card" if on_card else "main memory"
    blocks: list[Block] = [
        Table(
            "memory-table",
            f"What the server takes of {place}",
            (
                Column("ctx", "context", Kind.COUNT),
                Column("weights_gib", "weights", Kind.GIB),
                Column("kv_available_gib", "KV cache", Kind.GIB),
                Column("graphs_gib", "CUDA graphs", Kind.GIB),
                Column("peak_gib", "peak in use", Kind.GIB),
                Column("headroom_gib", "headroom", Kind.GIB),
            ),
            tuple((r.ctx, r.weights, r.kv, r.graphs, r.peak, r.headroom) for r in rows),
            _note(rows, on_card=on_card),
        ).filled()
    ]
    if bar := _bar(rows):
        blocks.append(bar)
    return Section("memory", "Memory", tuple(blocks))


def _note(rows: tuple[StartMemory, ...], *, on_card: bool) -> str:
    if all(row.peak is None for row in rows):
        return "As vLLM logged it; the peak in use was not measured."
    words = "Weights, KV cache and graphs are what vLLM logged; the peak was measured on the box."
    if on_card:
        return words
    return (
        f"{words} This box has no card, and a KV cache that is set aside but not yet written to "
        "takes no main memory, so the parts may add up to more than the peak."
    )


def memories(evidence: Evidence) -> Iterator[StartMemory]:
    """Yield the memory of each context that scale started, or else of the newest start."""
    total = _total(evidence.facts)
    scale = evidence.scale
    rows = [row for row in scale[1] if row.get("memory")] if scale else []
    for row in rows:
        yield _memory(row, row["memory"], total)
    if not rows and (start := evidence.start) and (logged := start.event.get("memory")):
        yield _memory(start.event, logged, total)


def _memory(event: Event, logged: Event, total: float | None) -> StartMemory:
    cards = [mib for mib in event.get("gpu_peak_mib") or () if mib]
    peak = max(cards) / MIB_PER_GIB if cards else event.get("process_peak_gib")
    return StartMemory(
        event.get("ctx"),
        logged.get("weights_gib"),
        logged.get("kv_available_gib"),
        logged.get("graphs_gib"),
        peak,
        total,
    )


def _total(facts: Event) -> float | None:
    cards = [gpu["memory_mib"] for gpu in facts.get("gpus") or () if gpu.get("memory_mib")]
    return min(cards) / MIB_PER_GIB if cards else facts.get("memory_gib")


def _bar(rows: tuple[StartMemory, ...]) -> Plot | None:
    """Return the bar; None where too little was reported, or where the parts exceed the peak."""
    drawn = []
    for row in rows:
        parts = [
            BarPart(name, size, f"{size:.1f}", free=name == "headroom")
            for name, size in (
                ("weights", row.weights),
                ("KV cache", row.kv),
                ("CUDA graphs", row.graphs),
                ("other", row.other),
                ("headroom", row.headroom),
            )
            if size is not None and size >= 0.005
        ]
        named = sum(size for size in (row.weights, row.kv, row.graphs) if size is not None)
        if len(parts) > 1 and (row.peak is None or named <= row.peak):
            drawn.append((numbers.count(row.ctx), tuple(parts)))
    if not drawn:
        return None
    words = "; ".join(
        f"at {ctx} tokens: " + ", ".join(f"{part.name} {part.size:.2f} GiB" for part in parts)
        for ctx, parts in drawn
    )
    return Plot(
        "memory-bar",
        "Memory by context length",
        f"Stacked bars: {words}.",
        Bar(tuple(drawn), "GiB"),
    )
