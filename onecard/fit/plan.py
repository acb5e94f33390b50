"""What one model on one card comes to: weights, KV blocks, the largest request and context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onecard.errors import PreflightError, UsageError
from onecard.fit.engine import VLLM_0_21, Engine
from onecard.fit.errors import NotModelledError
from onecard.fit.gpu import Gpu
from onecard.fit.layout import Layout, layout
from onecard.fit.overhead import Overhead, overhead
from onecard.fit.quantization import quantization_named
from onecard.fit.shape import GIB, LINEAR, SLIDING, ModelShape
from onecard.fit.weights import Weights, weights
from onecard.tensor_parallel import divides, obstacle

TABLE = (4096, 65536, 131072, 262144)
_KV_BYTES = {"auto": 0, "bfloat16": 2, "float16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}


@dataclass(frozen=True)
class Plan:
    """The answer for one context length. GiB are for each card.

    kv_available_gib: GiB left for the KV cache; between kv_low_gib and kv_high_gib when it is an
        estimate (`estimated`), exactly as given when it was.
    max_request_tokens: tokens of the longest request the pool holds, whatever ctx says, 0 for none.
    max_ctx: the largest --max-model-len that starts, 0 when none does.
    concurrency: requests of ctx tokens at once.
    max_num_seqs: requests at work at once, at most; `fewer` tells that vLLM's default does not
        start and that this is what deploy sets in its place.
    surely_fits: it does at the low end of the estimate too.
    reasons: why it does not (surely) fit, and what else to know, one sentence each.
    """

    model: str
    shape: ModelShape
    gpu: Gpu
    engine: Engine
    layout: Layout
    weights: Weights
    overhead: Overhead
    ctx: int
    util: float
    tp: int
    max_num_seqs: int
    fewer: bool
    max_num_batched_tokens: int
    estimated: bool
    kv_available_gib: float
    kv_low_gib: float
    kv_high_gib: float
    blocks: int
    max_request_tokens: int
    max_ctx: int
    concurrency: float
    fits: bool
    surely_fits: bool
    reasons: tuple[str, ...]

    @property
    def weights_gib(self) -> float:
        """GiB of weights."""
        return self.weights.gib

    @property
    def overhead_gib(self) -> float:
        """GiB beside weights and KV cache (an estimate)."""
        return self.overhead.gib

    @property
    def block_tokens(self) -> int:
        """Tokens of one attention block."""
        return self.layout.block_tokens

    @property
    def bytes_per_token(self) -> int:
        """Bytes of one more token in all full-attention layers."""
        return self.layout.bytes_per_token

    @property
    def request_blocks(self) -> int:
        """Blocks of one request of ctx tokens."""
        return self.layout.request_blocks(self.ctx)

    @property
    def logged_tokens(self) -> int:
        """The `KV cache size` that builds from 0.20.1 on log: concurrency times ctx."""
        return int(self.blocks / self.request_blocks * self.ctx)

    @property
    def old_logged_tokens(self) -> int:
        """The figure of builds up to 0.20.0: blocks shared out over the groups. It is no limit
        on a request: groups of another kind do not grow with it."""
        return self.blocks // self.layout.groups * self.block_tokens

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values, for --json."""
        return {
            "model": self.model,
            "gpu": self.gpu.name,
            "ctx": self.ctx,
            "weights_gib": round(self.weights_gib, 2),
            "kv_available_gib": round(self.kv_available_gib, 2),
            "block_tokens": self.block_tokens,
            "blocks": self.blocks,
            "bytes_per_token": self.bytes_per_token,
            "max_request_tokens": self.max_request_tokens,
            "concurrency": round(self.concurrency, 2),
            "fits": self.fits,
            "max_ctx": self.max_ctx,
        }


def plan(
    shape: ModelShape,
    gpu: Gpu,
    ctx: int,
    *,
    util: float = 0.90,
    kv_dtype: str = "auto",
    tp: int = 1,
    quant: str | None = None,
    kv_gib: float | None = None,
    max_num_seqs: int | None = None,
    max_num_batched_tokens: int | None = None,
    model: str = "",
    engine: Engine = VLLM_0_21,
    draft_tokens: int = 0,
    vision: bool = True,
    graphs: bool = True,
    whole_experts: bool = False,
) -> Plan:
    """Plans `shape` on `tp` cards of kind `gpu`.

    ctx: --max-model-len, in tokens. util: --gpu-memory-utilization. kv_gib: GiB of KV cache on
        each card when known (from a log, or --kv-cache-memory-bytes), else it is estimated.
    quant: the method of --quant; None for the checkpoint's own.
    max_num_seqs: None for vLLM's default, or for the power of two below it that starts: a hybrid
        model needs a Mamba cache block for each request once CUDA graphs are on.
    engine: the rules of the vLLM release (engine.py); the default are those of 0.21 to 0.25.
    draft_tokens: num_speculative_tokens of MTP. vision: False for --language-model-only.
    graphs: False for --enforce-eager. whole_experts: True for --enable-expert-parallel.

    Raises:
        UsageError: a flag is out of range, or tp doesn't divide the model.
        NotModelledError: these layers, or speculative decoding of this model, are not modelled.
    """
    _check(shape, ctx, util, draft_tokens)
    _check_cards(shape, tp, whole_experts=whole_experts)
    method = shape.quantization if quant is None else quantization_named(quant)
    batched = max_num_batched_tokens or gpu.default_max_num_batched_tokens
    held = weights(shape, method, tp=tp, mtp=draft_tokens > 0, vision=vision)
    pages = layout(
        shape,
        engine,
        tp=tp,
        kv_bytes=_kv_bytes(kv_dtype, shape),
        kernel_block=gpu.kernel_block,
        batched_tokens=batched,
        draft_tokens=draft_tokens,
    )

    def pool(seqs: int) -> tuple[Overhead, float, float]:
        """Return the overhead with that many requests, the KV memory left, and its low end."""
        rest = overhead(
            shape,
            gpu,
            tp=tp,
            max_num_seqs=seqs,
            max_num_batched_tokens=batched,
            graphs=graphs and engine.counts_graphs,
            vision=vision,
        )
        if kv_gib is not None:
            return rest, kv_gib, kv_gib
        left = util * gpu.usable_gib - held.gib - rest.gib
        return rest, left, left - rest.band

    graph_limit = bool(shape.count(LINEAR)) and graphs and not gpu.cpu
    seqs = max_num_seqs or gpu.default_max_num_seqs
    rest, available, low = pool(seqs)
    surely = pages.blocks(int(low * GIB))
    fewer = graph_limit and max_num_seqs is None and 0 < surely < seqs
    if fewer:
        seqs = 1 << (surely.bit_length() - 1)
        rest, available, low = pool(seqs)
    blocks = pages.blocks(int(available * GIB))
    # One block is the pool's null block and never a request's, checked at the start or not.
    request = pages.largest_request(blocks - 1)
    starts = not (graph_limit and seqs > blocks)
    max_ctx = min(request, shape.max_context) if starts else 0
    fits = starts and 0 < ctx <= max_ctx
    surely_held = pages.largest_request(pages.blocks(int(low * GIB)) - 1)
    reasons = _refusals(
        shape=shape,
        ctx=ctx,
        available=available,
        blocks=blocks,
        request=request,
        seqs=seqs,
        starts=starts,
    )
    surely_fits = fits and ctx <= surely_held
    if fits and not surely_fits:
        reasons.append(
            f"close: at the low end of the estimate ({low:.1f} GiB for the KV cache) "
            f"only {surely_held:,} tokens start"
        )
    return Plan(
        model=model or shape.model_type,
        shape=shape,
        gpu=gpu,
        engine=engine,
        layout=pages,
        weights=held,
        overhead=rest,
        ctx=ctx,
        util=util,
        tp=tp,
        max_num_seqs=seqs,
        fewer=fewer,
        max_num_batched_tokens=batched,
        estimated=kv_gib is None,
        kv_available_gib=available,
        kv_low_gib=low,
        kv_high_gib=2 * available - low,
        blocks=blocks,
        max_request_tokens=request,
        max_ctx=max_ctx,
        concurrency=blocks / pages.request_blocks(ctx),
        fits=fits,
        surely_fits=surely_fits,
        reasons=(*reasons, *shape.assumptions),
    )


def check_ctx(planned: Plan) -> None:
    """Refuses a start that cannot succeed, with the largest context that can.

    Raises:
        PreflightError: the plan does not fit.
    """
    if planned.fits:
        return
    why = planned.reasons[0] if planned.reasons else "it does not fit"
    if planned.max_ctx:
        advice = f"the largest that starts is --ctx {planned.max_ctx}"
    elif 0 < planned.blocks < planned.max_num_seqs and planned.max_request_tokens:
        advice = f"use --max-num-seqs {planned.blocks}"
    else:
        advice = (
            "no context starts: use a smaller or quantised model, a larger card or more of them"
        )
    kind = "estimated" if planned.estimated else "given"
    raise PreflightError(
        f"ctx {planned.ctx} does not start on {planned.gpu.name} ({kind} "
        f"{planned.kv_available_gib:.2f} GiB for the KV cache): {why}; {advice} (--force tries "
        "all the same)"
    )


def _refusals(
    *,
    shape: ModelShape,
    ctx: int,
    available: float,
    blocks: int,
    request: int,
    seqs: int,
    starts: bool,
) -> list[str]:
    if available <= 0:
        return [f"the weights and the runtime need {-available:.1f} GiB more than the budget"]
    found = []
    if ctx > shape.max_context:
        found.append(f"the model itself takes no more than {shape.max_context:,} tokens")
    if not starts:
        found.append(
            f"max_num_seqs {seqs} exceeds the {blocks} Mamba cache blocks and CUDA graphs are on: "
            f"{blocks} fits (--max-num-seqs {blocks})"
        )
    if ctx > request:
        found.append(f"one request may be {request:,} tokens long")
    return found


def _check(shape: ModelShape, ctx: int, util: float, draft_tokens: int) -> None:
    if ctx < 1:
        raise UsageError(f"--ctx {ctx}: give a number of tokens, at least 1")
    if not 0 < util <= 1:
        raise UsageError(f"--util {util}: give a share of the memory above 0 and up to 1")
    if draft_tokens and not shape.mtp_layers:
        raise NotModelledError(
            "speculative decoding (MTP) of a model whose config names no layers for it"
        )


def _check_cards(shape: ModelShape, tp: int, *, whole_experts: bool) -> None:
    if tp >= 1:
        found = obstacle(shape, tp, whole_experts=whole_experts)
        what = f"does not divide the model ({found})" if found else ""
    else:
        what = "is no number of cards"
    if what:
        counts = range(1, shape.attention.heads + 1)
        able = (str(n) for n in counts if divides(shape, n, whole_experts=whole_experts))
        raise UsageError(f"--tp {tp} {what}: use one of {', '.join(able)}")


def _kv_bytes(kv_dtype: str, shape: ModelShape) -> int:
    if kv_dtype not in _KV_BYTES:
        known = ", ".join(_KV_BYTES)
        raise UsageError(f"--kv-dtype {kv_dtype} is not known: use one of {known}")
    if shape.count(SLIDING) and shape.count(LINEAR):
        raise NotModelledError("sliding-window and linear layers in one model are not modelled")
    return _KV_BYTES[kv_dtype] or shape.dtype_bytes
