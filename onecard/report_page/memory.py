"""Where the memory goes, and what vLLM's figure for the KV cache means on this box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onecard.report_page import numbers
from onecard.report_page.blocks import Block, Column, Missing, Paragraph, Plot, Section, Table
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
            "Weights, KV cache and graphs are what vLLM logged; the peak was measured on the box"
            + (
                "."
                if on_card
                else ": this box has no card, and a KV cache that is set aside but not yet "
                "written to takes no main memory, so the parts may add up to more than the peak."
            ),
        )
    ]
    if bar := _bar(rows):
        blocks.append(bar)
    return Section("memory", "Memory", tuple(blocks))


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


def kv_section(evidence: Evidence) -> Section | None:
    """Return what the KV figure says and what not, in this box's numbers; None without any."""
    start = evidence.start
    told: Event = (start.event.get("memory") or {}) if start else {}
    tokens, at_once = told.get("kv_tokens"), told.get("kv_concurrency")
    ctx = told.get("kv_request_tokens") or (start.event.get("ctx") if start else None)
    if not tokens:
        return None
    size = told.get("kv_available_gib")
    blocks: list[Block] = [
        Paragraph(
            f"vLLM keeps {numbers.gib(size)} for the KV cache here and logs it as "
            f"“{numbers.count(tokens)} tokens”."
            if size
            else f"vLLM logs its KV cache as “{numbers.count(tokens)} tokens”."
        )
    ]
    if at_once and ctx:
        blocks += [
            Paragraph(
                f"That figure is no limit on a request. It is how many requests of the configured "
                f"{numbers.count(ctx)} tokens fit at once, {numbers.ratio(at_once)}, multiplied "
                f"by {numbers.count(ctx)}. On a hybrid model it moves with the configured context "
                "although the pool of memory stays the same, so it can’t be compared between two "
                "settings. Three figures can: the memory, the requests at once, and the longest "
                "single request that was answered."
            ),
            Paragraph(_one_long_request(at_once, ctx)),
        ]
    else:
        blocks.append(
            Paragraph(
                "This build logs no concurrency. Builds before 0.17 divided the blocks of a "
                "hybrid model by its layer groups before they printed the figure: it is then a "
                "fraction of what the pool holds, not a limit on a request."
            )
        )
    if table := _pool(evidence):
        blocks.append(table)
    return Section("kv", "What the KV figure means", tuple(blocks))


def _one_long_request(at_once: float, ctx: int) -> str:
    second = (
        "a second one of that length waits until the first has given its blocks back"
        if at_once < 2
        else f"{int(at_once)} of that length are answered side by side, and the next one waits"
    )
    return (
        "vLLM refuses to start when one request of the configured length does not fit. A server "
        f"that started at {numbers.count(ctx)} tokens therefore holds a request of "
        f"{numbers.count(ctx)}; {second}."
    )


def _pool(evidence: Evidence) -> Table | None:
    scale = evidence.scale
    rows = [row for row in scale[1] if row.get("kv_tokens")] if scale else []
    if len(rows) < 2:
        return None
    return Table(
        "kv-table",
        "The same pool, told at each context",
        (
            Column("ctx", "context", Kind.COUNT),
            Column("kv_available_gib", "KV cache", Kind.GIB),
            Column("kv_tokens", "tokens as logged", Kind.COUNT),
            Column("kv_concurrency", "requests at once", Kind.RATIO),
        ),
        tuple(
            (
                row.get("ctx"),
                (row.get("memory") or {}).get("kv_available_gib"),
                row.get("kv_tokens"),
                row.get("kv_concurrency"),
            )
            for row in rows
        ),
    )
