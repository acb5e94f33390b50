"""The peak of the profiling run: the widest layer's intermediate values, or the sampler's."""

from __future__ import annotations

from onecard.fit.engine import Engine
from onecard.fit.overhead.part import NOTHING, GibRange, larger
from onecard.fit.shape.model_shape import FULL, GIB, LINEAR, Mamba2, ModelShape

_CHUNK = 64  # tokens for which Gated DeltaNet holds one state (fla's chunk_gated_delta_rule)
_MLA_WORKSPACE_TOKENS = 65536  # `determine_chunked_prefill_workspace_size`, at most 64 Ki tokens
_SPREAD = (0.4, 1.8)


def forward_gib(
    shape: ModelShape, tp: int, batched_tokens: int, *, whole_experts: bool
) -> GibRange:
    """Return the GiB of one forward pass with that many tokens, above the hidden states' own."""
    widths = [_feed_forward(shape, tp), _attention(shape, tp), _recurrent(shape, tp)]
    widths.append(_experts(shape, 1 if whole_experts else tp))
    values = max(widths) + 3 * shape.hidden
    gib = batched_tokens * values * shape.dtype_bytes / GIB
    least, most = _SPREAD
    return GibRange(gib, least * gib, most * gib) + _latent_workspace(shape, tp)


def hidden_gib(shape: ModelShape, batched_tokens: int) -> GibRange:
    """Return the GiB of the hidden states, which stay while the sampler runs."""
    gib = batched_tokens * shape.hidden * shape.dtype_bytes / GIB
    return GibRange(gib, 0.5 * gib, 2 * gib)


def sampler_gib(shape: ModelShape, engine: Engine, seqs: int, batched_tokens: int) -> GibRange:
    """Return the GiB of sampling for every sequence at once (`_dummy_sampler_run`)."""
    logits = min(seqs, batched_tokens) * shape.vocabulary / GIB
    least, likely, most = engine.logit_bytes
    return GibRange(likely * logits, least * logits, most * logits)


def step_gib(forward: GibRange, sampler: GibRange, hidden: GibRange) -> GibRange:
    """Return the peak of one step: the forward pass is over when the sampler runs."""
    return larger(forward, sampler) + hidden


def _feed_forward(shape: ModelShape, tp: int) -> float:
    # Gate and up projection, and their product.
    return 3 * shape.intermediate / tp if shape.feed_forward_layers else 0


def _experts(shape: ModelShape, cards: int) -> float:
    """Return the values for one token in `fused_experts` (layers/fused_moe/fused_moe.py).

    Every token passes through several experts: two projections, their product, and the outputs
    before they are summed.
    """
    experts = shape.experts
    if experts is None:
        return 0
    width = experts.width / cards
    return experts.each * (max(2 * width, shape.hidden) + width)


def _attention(shape: ModelShape, tp: int) -> float:
    if not shape.count(FULL):
        return 0
    attention = shape.attention
    queries = attention.heads * attention.head_dim / tp
    keys = 2 * max(attention.kv_heads / tp, 1) * attention.head_dim
    return (3 if attention.output_gate else 2) * queries + keys


def _recurrent(shape: ModelShape, tp: int) -> float:
    linear = shape.linear
    if linear is None or not shape.count(LINEAR):
        return 0
    values = linear.width if isinstance(linear, Mamba2) else linear.value_heads * linear.value_dim
    # Projections before and after the convolution, queries to gated outputs, and chunks' states.
    return (3 * linear.conv_channels + 8 * values + linear.state_numbers / _CHUNK) / tp


def _latent_workspace(shape: ModelShape, tp: int) -> GibRange:
    """Return the GiB that MLA sets aside to expand cached latents (v1/attention/.../common.py)."""
    latent = shape.latent
    if latent is None:
        return NOTHING
    heads = shape.attention.heads / tp
    numbers = heads * (latent.plain_dim + latent.value_dim) + latent.rank + latent.rope_dim
    gib = _MLA_WORKSPACE_TOKENS * numbers * shape.dtype_bytes / GIB
    return GibRange(gib, 0.1 * gib, 2 * gib)
