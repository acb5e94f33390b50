"""The plan of one model on one card: weights, KV blocks, the largest request and context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onecard.errors import PreflightError
from onecard.fit.catalogue.gpu import Gpu
from onecard.fit.engine import Engine
from onecard.fit.layout import Layout
from onecard.fit.overhead.estimate import Overhead
from onecard.fit.shape.model_shape import ModelShape
from onecard.fit.weights import Weights

TABLE = (4096, 65536, 131072, 262144)
# The end of a refusal that `deploy --force` ignores.
FORCE_HINT = " (--force starts it anyway)"


@dataclass(frozen=True)
class Plan:
    """The plan for one context length. GiB are for each card.

    kv_available_gib: GiB left for the KV cache; between kv_low_gib and kv_high_gib when it is an
        estimate (`estimated`), exact when given.
    max_request_tokens: tokens of the longest request the pool holds, whatever ctx says, 0 for none.
    max_ctx: the largest --max-model-len that starts, 0 when none does.
    concurrency: requests of ctx tokens at once.
    max_num_seqs: requests that run at once, at most; `fewer` is set when vLLM's default does not
        start and deploy sets this instead.
    surely_fits: it fits at the low end of the estimate too, and starts of this kind are known
        (evidence.py).
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
    pp: int
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
        """Return the weights in GiB."""
        return self.weights.gib

    @property
    def overhead_gib(self) -> float:
        """Return the GiB beside weights and KV cache (an estimate)."""
        return self.overhead.gib

    @property
    def block_tokens(self) -> int:
        """Return the tokens of one attention block."""
        return self.layout.block_tokens

    @property
    def bytes_per_token(self) -> int:
        """Return the bytes of one more token in all full-attention layers."""
        return self.layout.bytes_per_token

    @property
    def request_blocks(self) -> int:
        """Return the blocks of one request of ctx tokens."""
        return self.layout.request_blocks(self.ctx)

    @property
    def logged_tokens(self) -> int:
        """Return the `KV cache size` that builds from 0.20.1 on log: concurrency times ctx."""
        return int(self.blocks / self.request_blocks * self.ctx)

    @property
    def old_logged_tokens(self) -> int:
        """Return the `KV cache size` that builds up to 0.20.0 log: blocks divided by groups.

        Not a limit on a request: groups of another kind do not grow with it.
        """
        return self.blocks // self.layout.groups * self.layout.smallest_block

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain values, for --json."""
        return {
            "model": self.model,
            "gpu": self.gpu.name,
            "ctx": self.ctx,
            "weights_gib": round(self.weights_gib, 2),
            "kv_available_gib": round(self.kv_available_gib, 2),
            "kv_band_gib": [round(self.kv_low_gib, 2), round(self.kv_high_gib, 2)],
            "block_tokens": self.block_tokens,
            "blocks": self.blocks,
            "bytes_per_token": self.bytes_per_token,
            "max_request_tokens": self.max_request_tokens,
            "concurrency": round(self.concurrency, 2),
            "fits": self.fits,
            "surely_fits": self.surely_fits,
            "max_ctx": self.max_ctx,
        }


def check_ctx(planned: Plan) -> None:
    """Refuse a start that cannot succeed; the error names the largest context that can.

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
        f"{planned.kv_available_gib:.2f} GiB for the KV cache): {why}; {advice}"
        f"{FORCE_HINT}"
    )
