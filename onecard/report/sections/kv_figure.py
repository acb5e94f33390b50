"""The meaning of vLLM's figure for the KV cache, with this box's numbers.

Source of the arithmetic: onecard/fit, which follows vLLM's kv_cache_utils.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from onecard.errors import OnecardError
from onecard.fit import Plan, cpu_node, engine_for, reported_gpu
from onecard.fit import plan as fit_plan
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Block, Column, Paragraph, Section, Table
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence

LENGTHS = (4096, 65536, 131072, 262144)
AGREES = 0.01  # of the logged concurrency


def section(evidence: Evidence) -> Section | None:
    """Return what the KV figure means, and what not, with this box's numbers; None without any."""
    start = evidence.start
    logged: Event = (start.event.get("memory") or {}) if start else {}
    tokens, at_once = logged.get("kv_tokens"), logged.get("kv_concurrency")
    ctx = logged.get("kv_request_tokens") or (start.event.get("ctx") if start else None)
    if not tokens:
        return None
    size = logged.get("kv_available_gib")
    blocks: list[Block] = [
        Paragraph(
            f"vLLM reserves {numbers.gib(size)} for the KV cache here and logs it as "
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
                "although the pool of memory stays the same, so it can't be compared between two "
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
    if plan := planned(evidence):
        blocks += _arithmetic(plan, at_once)
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
        "The same pool, as logged at each context",
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


def planned(evidence: Evidence) -> Plan | None:
    """Return fit's plan of the newest start with the KV memory that it logged; None without."""
    start, shape = evidence.start, evidence.shape
    logged: Event = (start.event.get("memory") or {}) if start else {}
    size, ctx = logged.get("kv_available_gib"), start.event.get("ctx") if start else None
    if start is None or shape is None or not size or not ctx:
        return None
    facts, options = evidence.facts, evidence.server.get("options") or {}
    cards = facts.get("gpus") or ()
    try:
        gpu = (
            reported_gpu(cards[0]["name"], cards[0]["memory_mib"], cards[0].get("capability") or "")
            if cards
            else cpu_node(float(facts.get("memory_gib") or 1))
        )
        return fit_plan(
            shape,
            gpu,
            int(ctx),
            tp=int(options.get("tensor-parallel-size") or 1),
            kv_dtype=str(options.get("kv-cache-dtype") or "auto"),
            kv_gib=float(size),
            max_num_seqs=_number(options.get("max-num-seqs")),
            max_num_batched_tokens=_number(options.get("max-num-batched-tokens")),
            engine=engine_for(str(logged.get("vllm_version") or "")),
            graphs=not logged.get("eager"),
        )
    except (OnecardError, KeyError, TypeError, ValueError):
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _arithmetic(plan: Plan, logged: float | None) -> Iterator[Block]:
    """Yield what the pool consists of, if the computed concurrency agrees with the logged one."""
    if not logged or abs(plan.concurrency / logged - 1) > AGREES:
        return
    longest = (
        "Other limits aside, the longest single request that it holds has "
        f"{numbers.count(plan.max_request_tokens)} tokens"
    )
    if plan.max_request_tokens > plan.shape.max_context:
        longest += f"; the model itself takes {numbers.count(plan.shape.max_context)}"
    yield Paragraph(
        f"By the model's shape the pool is {numbers.count(plan.blocks)} blocks, and a request "
        f"takes one for every {numbers.count(plan.block_tokens)} tokens begun"
        + (", and a few for the state of its linear layers" if plan.layout.groups > 1 else "")
        + f": {numbers.count(plan.request_blocks)} blocks at {numbers.count(plan.ctx)} tokens. "
        f"That gives {numbers.ratio(plan.concurrency)} at once, and vLLM logged "
        f"{numbers.ratio(logged)}. {longest}."
    )
    lengths = [each for each in sorted({*LENGTHS, plan.ctx}) if each <= plan.max_ctx]
    yield Table(
        "kv-lengths",
        "What that pool holds, whatever context is configured",
        (
            Column("tokens", "tokens a request", Kind.COUNT),
            Column("blocks", "blocks each", Kind.COUNT),
            Column("at_once", "at once", Kind.RATIO),
        ),
        tuple(
            (length, blocks := plan.layout.request_blocks(length), plan.blocks / blocks)
            for length in lengths
        ),
        "Computed, not measured.",
    )
