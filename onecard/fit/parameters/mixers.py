"""Parameters of attention and of recurrent layers.

Source: vLLM's model files (qwen2.py, qwen3.py, qwen3_5.py, llama.py, gemma3.py, gemma4.py,
gpt_oss.py, deepseek_v2.py, nemotron_h.py).
"""

from __future__ import annotations

from onecard.fit.parameters.part import LAYER, Part
from onecard.fit.shape.model_shape import (
    FULL,
    LINEAR,
    SLIDING,
    Attention,
    GatedDeltaNet,
    LatentAttention,
    Mamba2,
    ModelShape,
)


def attention_layer(shape: ModelShape) -> int:
    """Return the parameters of one layer's full attention, without norms."""
    if shape.latent is not None:
        split, whole = _latent(shape, shape.latent)
        return split + whole
    return _attention(shape.hidden, shape.attention)


def attention_parts(shape: ModelShape) -> list[Part]:
    """Return the attention of all layers."""
    full, sliding = shape.count(FULL), shape.count(SLIDING)
    if not full + sliding:
        return []
    at = shape.layers.index(FULL) if FULL in shape.layers else 0
    module = f"{LAYER}.{at}.self_attn"
    if shape.latent is not None:
        return _latent_parts(shape, shape.latent, full, module)
    local = shape.local or shape.attention
    kinds = ((full, shape.attention), (sliding, local))
    found = [
        Part(
            "attention",
            f"{module}.q_proj",
            sum(count * _attention(shape.hidden, kind) for count, kind in kinds),
            quantizable=True,
            kv_share=sum(count * _key_value(shape.hidden, kind) for count, kind in kinds),
        )
    ]
    if shape.attention.qk_norm:
        norms = sum(count * 2 * kind.head_dim for count, kind in kinds)
        found.append(Part("query and key norms", f"{module}.q_norm", norms))
    return found


def linear_parts(shape: ModelShape) -> list[Part]:
    """Return the recurrent layers."""
    linear, layers = shape.linear, shape.count(LINEAR)
    if linear is None:
        return []
    at = shape.layers.index(LINEAR)
    if isinstance(linear, Mamba2):
        return _mamba2(shape.hidden, linear, layers, at)
    return _gated_delta_net(shape.hidden, linear, layers, at)


def _attention(hidden: int, attention: Attention) -> int:
    width = attention.heads * attention.head_dim
    queries = width * (2 if attention.output_gate else 1)
    biases = (queries if attention.bias else 0) + (hidden if attention.output_bias else 0)
    return hidden * queries + biases + _key_value(hidden, attention) + width * hidden


def _key_value(hidden: int, attention: Attention) -> int:
    # Where keys are values too, vLLM loads the one projection into both (gemma4.py).
    width = attention.kv_heads * attention.head_dim
    return 2 * (hidden * width + width * attention.bias)


def _latent(shape: ModelShape, latent: LatentAttention) -> tuple[int, int]:
    """Return one layer's parameters that cards share, and those that each holds whole."""
    heads, hidden = shape.attention.heads, shape.hidden
    queries = heads * shape.attention.head_dim
    down = latent.query_rank * (hidden + 1)
    up = (latent.query_rank or hidden) * queries
    key_value_down = hidden * (latent.rank + latent.rope_dim) + latent.rank
    key_value_up = latent.rank * heads * (latent.plain_dim + latent.value_dim)
    out = heads * latent.value_dim * hidden
    index = latent.index_heads * latent.index_dim
    indexer = latent.query_rank * index + hidden * (latent.index_dim + latent.index_heads)
    return up + key_value_up + out, down + key_value_down + (indexer if index else 0)


def _latent_parts(
    shape: ModelShape, latent: LatentAttention, layers: int, module: str
) -> list[Part]:
    split, whole = _latent(shape, latent)
    # Beside kv_b_proj vLLM holds its two halves once more in the model's own type, for decoding
    # (W_UV and W_UK_T in v1/attention/backends/mla/common.py, `process_weights_after_loading`).
    halves = latent.rank * shape.attention.heads * (latent.plain_dim + latent.value_dim)
    return [
        Part("attention", f"{module}.q_b_proj", layers * split, quantizable=True),
        Part(
            "attention, on every card",
            f"{module}.kv_a_proj_with_mqa",
            layers * whole,
            quantizable=True,
            whole=layers * whole,
        ),
        Part(
            "attention, halves of kv_b_proj", f"{module}.kv_b_halves", layers * halves, stored=False
        ),
    ]


def _gated_delta_net(hidden: int, linear: GatedDeltaNet, layers: int, at: int) -> list[Part]:
    values = linear.value_heads * linear.value_dim
    # Queries, keys, values and the output gate in; the gated output back out.
    large = hidden * (linear.conv_channels + values) + values * hidden
    # Two small projections (decay and write strength), the convolution, A_log, dt_bias, norm.
    small = 2 * hidden * linear.value_heads
    rest = linear.conv_channels * linear.kernel + 2 * linear.value_heads + linear.value_dim
    module = f"{LAYER}.{at}.linear_attn"
    return [
        Part("Gated DeltaNet", f"{module}.in_proj_qkv", layers * large, quantizable=True),
        Part("Gated DeltaNet, small", f"{module}.in_proj_a", layers * (small + rest)),
    ]


def _mamba2(hidden: int, linear: Mamba2, layers: int, at: int) -> list[Part]:
    # Gate, the convolution's input, and one step size a head in; the heads back out.
    large = hidden * (linear.width + linear.conv_channels + linear.heads) + linear.width * hidden
    small = linear.conv_channels * (linear.kernel + 1) + 3 * linear.heads + linear.width
    module = f"backbone.layers.{at}.mixer"
    return [
        Part("Mamba-2", f"{module}.in_proj", layers * large, quantizable=True),
        Part("Mamba-2, small", f"{module}.conv1d", layers * small),
    ]
