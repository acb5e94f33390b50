"""Where the memory goes: the table and the bar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onecard.report_page import numbers
from onecard.report_page.blocks import Block, Column, Missing, Plot, Section, Table
from onecard.report_page.chart import Bar, Part
from onecard.report_page.evidence import Event, Evidence
from onecard.report_page.numbers import Kind

MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Memory:
    """The memory of one start, GiB; None is what was not told.

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
        """What was never used."""
        return None if None in (self.peak, self.total) else self.total - self.peak  # type: ignore[operator]

    @property
    def other(self) -> float | None:
        """What the peak holds beside weights, KV cache and graphs."""
        if self.peak is None:
            return None
        return max(self.peak - sum(filter(None, (self.weights, self.kv, self.graphs))), 0.0)


def section(evidence: Evidence) -> Section:
    """Return the table and the bar, or which command fills them."""
    rows = tuple(memories(evidence))
    if not rows:
        nothing = Missing(
            "No start has been recorded that told its memory.",
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


def _note(rows: tuple[Memory, ...], *, on_card: bool) -> str:
    if all(row.peak is None for row in rows):
        return "As vLLM logged it; the peak in use was not measured."
    words = "Weights, KV cache and graphs are what vLLM logged; the peak was measured on the box."
    if on_card:
        return words
    return (
        f"{words} This box has no card, and a KV cache that is set aside but not yet written to "
        "takes no main memory, so the parts may add up to more than the peak."
    )


def memories(evidence: Evidence) -> Iterator[Memory]:
    """Return one for each context that scale started, or else for the newest start."""
    total = _total(evidence.facts)
    scale = evidence.scale
    rows = [row for row in scale[1] if row.get("memory")] if scale else []
    for row in rows:
        yield _memory(row, row["memory"], total)
    if not rows and (start := evidence.start) and (told := start.event.get("memory")):
        yield _memory(start.event, told, total)


def _memory(event: Event, told: Event, total: float | None) -> Memory:
    cards = [mib for mib in event.get("gpu_peak_mib") or () if mib]
    peak = max(cards) / MIB_PER_GIB if cards else event.get("process_peak_gib")
    return Memory(
        event.get("ctx"),
        told.get("weights_gib"),
        told.get("kv_available_gib"),
        told.get("graphs_gib"),
        peak,
        total,
    )


def _total(facts: Event) -> float | None:
    cards = [gpu["memory_mib"] for gpu in facts.get("gpus") or () if gpu.get("memory_mib")]
    return min(cards) / MIB_PER_GIB if cards else facts.get("memory_gib")


def _bar(rows: tuple[Memory, ...]) -> Plot | None:
    """Return the bar; None where too little was told, or where the parts cannot add up."""
    drawn = []
    for row in rows:
        parts = [
            Part(name, size, f"{size:.1f}", free=name == "headroom")
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
