"""From a model, a card and flags to a plan: what fits, and why not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onecard.errors import UsageError
from onecard.fit.batch import default_batched_tokens
from onecard.fit.catalogue.gpu import Gpu
from onecard.fit.engine import VLLM_0_21, Engine
from onecard.fit.evidence import known_kind
from onecard.fit.layout import Layout, layout
from onecard.fit.overhead.estimate import Overhead, ProfiledStep, overhead
from onecard.fit.plan import Plan
from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import GIB, LINEAR, SLIDING, ModelShape
from onecard.fit.shape.quantization import quantization_named
from onecard.fit.tensor_parallel import divides, obstacle
from onecard.fit.weights import Weights, weights
from onecard.locks.build_match import refused_card

_KV_BYTES = {"auto": 0, "bfloat16": 2, "float16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}


def plan(
    shape: ModelShape,
    gpu: Gpu,
    ctx: int,
    *,
    util: float = 0.90,
    kv_dtype: str = "auto",
    tp: int = 1,
    pp: int = 1,
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
    prefix_caching: bool | None = None,
    block_size: int | None = None,
) -> Plan:
    """Plan `shape` on `tp` cards of kind `gpu`, or on `pp` stages of as many.

    ctx: --max-model-len, in tokens. util: --gpu-memory-utilization. kv_gib: GiB of KV cache on
        each card when known (from a log, or --kv-cache-memory-bytes), else it is estimated.
    quant: the method of --quant; None for the checkpoint's own.
    max_num_seqs: None for vLLM's default, or for the power of two below it that starts: a hybrid
        model needs a Mamba cache block for each request once CUDA graphs are on.
    engine: the rules of the vLLM release (engine.py); the default are those of 0.21 to 0.25.
    draft_tokens: num_speculative_tokens of MTP. vision: False for --language-model-only.
    graphs: False for --enforce-eager. whole_experts: True for --enable-expert-parallel.
    prefix_caching: None for the release's default. block_size: --block-size, in tokens.

    Raises:
        UsageError: a flag is out of range, or tp doesn't divide the model.
        NotModelledError: these layers, or speculative decoding of this model, are not modelled.
    """
    _check(shape, ctx, util, draft_tokens)
    _check_cards(shape, tp, pp, whole_experts=whole_experts)
    if prefix_caching is not None:
        engine = replace(engine, state_blocks=2 if prefix_caching else 1)
    batched = max_num_batched_tokens or default_batched_tokens(
        shape, gpu, engine, seqs=max_num_seqs or gpu.default_max_num_seqs, ctx=ctx, vision=vision
    )
    method = shape.quantization if quant is None else quantization_named(quant)
    # vLLM's CPU backend computes the recurrent state in float32 (platforms/cpu.py).
    pages = layout(
        shape, engine, tp=tp, pp=pp, kv_bytes=_kv_bytes(kv_dtype, shape), draft_tokens=draft_tokens,
        kernel_block=block_size or _kernel_block(shape, gpu), batched_tokens=batched,
        state_bytes=4 if gpu.cpu else shape.dtype_bytes,
    )  # fmt: skip
    held = weights(shape, method, tp=tp, pp=pp, mtp=draft_tokens > 0, vision=vision)
    name = model or shape.model_type
    start = _Start(
        name, shape, gpu, engine, pages, held, ctx, util, tp, pp, batched, kv_gib, graphs, vision,
        whole_experts
    )  # fmt: skip
    return start.with_requests(max_num_seqs) if max_num_seqs else start.by_default()


@dataclass(frozen=True)
class _Start:
    """A server's start, whatever the number of requests: what a plan is made from."""

    model: str
    shape: ModelShape
    gpu: Gpu
    engine: Engine
    pages: Layout
    weights: Weights
    ctx: int
    util: float
    tp: int
    pp: int
    batched_tokens: int
    kv_gib: float | None
    graphs: bool
    vision: bool
    whole_experts: bool

    @property
    def graph_limit(self) -> bool:
        """Return whether each request needs a block at the start (hybrid model, CUDA graphs)."""
        return bool(self.shape.count(LINEAR)) and self.graphs and not self.gpu.cpu

    def pool(self, seqs: int) -> tuple[Overhead, float, float, float]:
        """Return the overhead with that many requests, the KV memory left, its low and high end."""
        rest = overhead(
            self.shape,
            self.gpu,
            self.engine,
            ProfiledStep(seqs, self.batched_tokens),
            tp=self.tp,
            pp=self.pp,
            graphs=self.graphs,
            vision=self.vision,
            whole_experts=self.whole_experts,
        )
        if self.kv_gib is not None:
            return rest, self.kv_gib, self.kv_gib, self.kv_gib
        budget, total, held = self.util * self.gpu.usable_gib, rest.total, self.weights
        return (
            rest,
            budget - held.gib - total.likely,
            budget * (1 - self.gpu.spread) - held.most_gib - total.most,
            budget * (1 + self.gpu.spread) - held.least_gib - total.least,
        )

    def by_default(self) -> Plan:
        """Return the plan for vLLM's default, or for the power of two below it that starts."""
        seqs = self.gpu.default_max_num_seqs
        if not self.graph_limit or self._surely_blocks(seqs) >= seqs:
            return self.with_requests(seqs)
        powers = (1 << bits for bits in reversed(range((seqs - 1).bit_length())))
        fewer = next((count for count in powers if self._surely_blocks(count) >= count), None)
        if fewer is None:  # not even one request: another matter
            return self.with_requests(seqs)
        return self.with_requests(fewer, fewer=True)

    def _surely_blocks(self, seqs: int) -> int:
        """Return the blocks at the low end of the estimate with that many requests."""
        return self.pages.blocks(int(self.pool(seqs)[2] * GIB))

    def with_requests(self, seqs: int, *, fewer: bool = False) -> Plan:
        """Return the plan for up to `seqs` requests at once."""
        rest, available, low, high = self.pool(seqs)
        pages, ctx = self.pages, self.ctx
        blocks = pages.blocks(int(available * GIB))
        # One block is the pool's null block, which no request gets.
        request = pages.largest_request(blocks - 1)
        if not pages.full_groups:  # sliding layers alone take no more for a longer one
            request = min(request, self.shape.max_context)
        refused = refused_card(self.gpu.compute_capability)
        starts = not (self.graph_limit and seqs > blocks) and not refused
        max_ctx = min(request, self.shape.max_context) if starts else 0
        fits = starts and 0 < ctx <= max_ctx
        surely_held = pages.largest_request(pages.blocks(int(low * GIB)) - 1)
        free = self.util <= self.gpu.largest_util
        known = self.kv_gib is not None or known_kind(self.shape, tp=self.tp, pp=self.pp)
        surely_fits = fits and ctx <= surely_held and free and known
        reasons = [refused] if refused else []
        reasons += _refusals(
            self.shape, ctx, available, blocks, request, seqs=seqs, starts=starts or bool(refused)
        )
        if not free:
            reasons.append(self.gpu.note)
        elif fits and not known:
            reasons.append(
                "no start of a model of this kind on as many cards is known: the estimate of the "
                "memory that is left is not proven for it (invoke fit --scoreboard)"
            )
        elif fits and not surely_fits:
            reasons.append(
                f"close: at the low end of the estimate ({low:.1f} GiB for the KV cache) "
                f"only {surely_held:,} tokens start"
            )
        return Plan(
            model=self.model,
            shape=self.shape,
            gpu=self.gpu,
            engine=self.engine,
            layout=pages,
            weights=self.weights,
            overhead=rest,
            ctx=ctx,
            util=self.util,
            tp=self.tp,
            pp=self.pp,
            max_num_seqs=seqs,
            fewer=fewer,
            max_num_batched_tokens=self.batched_tokens,
            estimated=self.kv_gib is None,
            kv_available_gib=available,
            kv_low_gib=low,
            kv_high_gib=high,
            blocks=blocks,
            max_request_tokens=request,
            max_ctx=max_ctx,
            concurrency=blocks / pages.request_blocks(ctx),
            fits=fits,
            surely_fits=surely_fits,
            reasons=(*reasons, *self.shape.assumptions),
        )


def _refusals(
    shape: ModelShape,
    ctx: int,
    available: float,
    blocks: int,
    request: int,
    *,
    seqs: int,
    starts: bool,
) -> list[str]:
    if available <= 0:
        return [f"the weights and the runtime need {-available:.1f} GiB more than the budget"]
    found = []
    if ctx > shape.max_context:
        found.append(f"the model itself supports at most {shape.max_context:,} tokens")
    if not starts:
        found.append(
            f"max_num_seqs {seqs} exceeds the {blocks} Mamba cache blocks and CUDA graphs are on: "
            f"{blocks} fits (--max-num-seqs {blocks})"
        )
    if ctx > request and request < shape.max_context:
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


def _check_cards(shape: ModelShape, tp: int, pp: int, *, whole_experts: bool) -> None:
    if not 1 <= pp <= len(shape.layers):
        raise UsageError(f"--pp {pp}: give a number of stages from 1 to {len(shape.layers)}")
    if tp >= 1:
        found = obstacle(shape, tp, whole_experts=whole_experts)
        what = f"does not divide the model ({found})" if found else ""
    else:
        what = "is not a number of cards"
    if what:
        counts = range(1, shape.attention.heads + 1)
        able = (str(n) for n in counts if divides(shape, n, whole_experts=whole_experts))
        whole = not whole_experts and tp >= 1 and divides(shape, tp, whole_experts=True)
        hint = ", or give --enable-expert-parallel" if whole else ""
        raise UsageError(f"--tp {tp} {what}: use one of {', '.join(able)}{hint}")


def _kernel_block(shape: ModelShape, gpu: Gpu) -> int:
    """Return the tokens of a block: MLA's kernels have blocks of their own (platforms/cuda.py).

    64 for FlashMLA and FlashInfer's (compute capability 9 and 10) and for every sparse one, 16 for
    Triton's.
    """
    if shape.latent is None or gpu.cpu:
        return gpu.kernel_block
    large = gpu.compute_capability.startswith(("9.", "10."))
    return 64 if large or shape.latent.index_dim else gpu.kernel_block


def _kv_bytes(kv_dtype: str, shape: ModelShape) -> int:
    if kv_dtype not in _KV_BYTES:
        known = ", ".join(_KV_BYTES)
        raise UsageError(f"--kv-dtype {kv_dtype} is not known: use one of {known}")
    if shape.count(SLIDING) and shape.count(LINEAR):
        raise NotModelledError("sliding-window and linear layers in one model are not modelled")
    return _KV_BYTES[kv_dtype] or shape.dtype_bytes
