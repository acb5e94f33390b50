"""Each figure of a plan with its formula, numbers filled in, and where the formula comes from."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.fit.plan import Plan

_KV_UTILS = "vLLM v1/core/kv_cache_utils.py"
_SPECS = "vLLM v1/kv_cache_interface.py"
_ALIGN = "vLLM platforms/interface.py, _align_hybrid_block_size"


@dataclass(frozen=True)
class Line:
    """One figure: its name, the formula with its numbers, and the formula's source."""

    figure: str
    formula: str
    source: str


def explain(plan: Plan) -> list[Line]:
    """Return every figure of the plan."""
    return [*_memory(plan), *_pages(plan), *_requests(plan)]


def _memory(plan: Plan) -> list[Line]:
    parts = " + ".join(f"{part.name} {part.gib:.2f}" for part in plan.weights.parts)
    rest = plan.overhead
    lines = [
        Line("weights", f"{parts} = {plan.weights_gib:.2f} GiB", _weights_source(plan)),
        *(
            Line(
                part.name,
                f"{part.formula} = {part.gib.likely:.2f} GiB ({part.gib.least:.2f} to "
                f"{part.gib.most:.2f})",
                part.source,
            )
            for part in rest.parts
        ),
    ]
    if not plan.estimated:
        given = f"{plan.kv_available_gib:.2f} GiB as given"
        return [*lines, Line("KV memory", given, "--kv-gib")]
    budget = f"{plan.util:.2f} * {plan.gpu.usable_gib:.1f}"
    formula = (
        f"{budget} - {plan.weights_gib:.2f} - {rest.gib:.2f} = {plan.kv_available_gib:.2f} GiB, "
        f"an estimate: {plan.kv_low_gib:.2f} to {plan.kv_high_gib:.2f}"
    )
    source = "vLLM v1/worker/gpu_worker.py; docs/fit-scoreboard.md"
    return [*lines, Line("KV memory", formula, source)]


def _weights_source(plan: Plan) -> str:
    return "the checkpoint's headers" if plan.weights.exact else "parameters of config.json"


def _pages(plan: Plan) -> list[Line]:
    pages, shape = plan.layout, plan.shape
    kernel = plan.gpu.kernel_block
    heads = max(shape.attention.kv_heads // plan.tp, 1)
    number = pages.token_bytes // (2 * heads * shape.attention.head_dim)
    token = f"2 * {heads} KV heads * {shape.attention.head_dim} * {number} bytes"
    if shape.latent is not None:
        token = f"a latent vector of {shape.latent.rank} + {shape.latent.rope_dim} numbers"
        token += f" and an index key of {shape.latent.index_bytes} bytes" * bool(
            shape.latent.index_dim
        )
    found = [
        Line(
            "bytes a token",
            f"{token} = {pages.token_bytes:,} a layer; * {pages.attention_layers} layers = "
            f"{pages.bytes_per_token:,}",
            _SPECS,
        )
    ]
    block = f"{pages.block_tokens} tokens, the kernel's smallest block"
    if pages.state_bytes:
        block = (
            f"{kernel} * ceil({pages.state_bytes:,} / ({kernel} * {pages.token_bytes:,})) = "
            f"{pages.block_tokens} tokens, so that a page holds one recurrent state"
        )
    found.append(Line("block", block, _ALIGN))
    available = int(plan.kv_available_gib * 2**30)
    found.append(
        Line(
            "blocks",
            f"{max(available, 0):,} // ({pages.page_bytes:,} bytes a page * {pages.group_layers} "
            f"layers a group) = {plan.blocks}",
            _KV_UTILS,
        )
    )
    return found


def _requests(plan: Plan) -> list[Line]:
    pages = plan.layout
    terms = []
    if pages.full_groups:
        terms.append(f"{pages.full_groups} * ceil({plan.ctx:,} / {pages.block_tokens})")
    if pages.sliding_groups:
        terms.append(
            f"{pages.sliding_groups} * (ceil(min({pages.sliding_tokens:,}, {plan.ctx:,}) / "
            f"{pages.sliding_block_tokens}) + 1)"
        )
    if pages.linear_groups:
        terms.append(f"{pages.linear_groups} groups * {pages.state_blocks} state")
    request = f"{' + '.join(terms)} = {plan.request_blocks} blocks ({plan.engine.name})"
    return [
        Line("one request of ctx", request, _SPECS),
        Line(
            "largest single request",
            f"the most tokens that take no more than {plan.blocks} - 1 blocks = "
            f"{plan.max_request_tokens:,}",
            _KV_UTILS + " (one block is the pool's own)",
        ),
        Line(
            "concurrency",
            f"{plan.blocks} / {plan.request_blocks} = {plan.concurrency:.2f}",
            _KV_UTILS + ", get_max_concurrency_for_kv_cache_config",
        ),
        Line(
            "tokens, as builds now log",
            f"int({plan.blocks} / {plan.request_blocks} * {plan.ctx:,}) = {plan.logged_tokens:,}",
            _KV_UTILS + "; it moves with ctx though the pool is the same",
        ),
        Line(
            "tokens, as old builds log",
            f"{plan.blocks} // {pages.groups} groups * {pages.block_tokens} = "
            f"{plan.old_logged_tokens:,}; one request may have {plan.max_request_tokens:,}",
            _KV_UTILS + " of vLLM 0.17; not a limit",
        ),
        Line(
            "largest ctx",
            f"min({plan.max_request_tokens:,}, the model's {plan.shape.max_context:,}) = "
            f"{plan.max_ctx:,}",
            "config.json",
        ),
    ]
