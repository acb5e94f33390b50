"""Parameter counts from a model's shape, after the layouts of vLLM's model files (qwen2.py,
qwen3.py, qwen3_vl.py, qwen2_5_vl.py, qwen3_5.py, llama.py, gemma3.py, siglip.py).

Each part carries a module name as checkpoints write it, so that a quantised checkpoint's list of
untouched modules can be matched against it.
"""

from __future__ import annotations

from dataclasses import dataclass

from onecard.fit.shape import FULL, LINEAR, SLIDING, GatedDeltaNet, ModelShape, Vision

_LAYER = "model.language_model.layers"


@dataclass(frozen=True)
class Part:
    """One kind of weight: how many parameters, in which module, and what can be done to it.

    quantizable: a quantised checkpoint stores it in fewer bits unless its config says otherwise.
    kv_share: parameters of it that belong to KV heads, which tensor parallelism replicates when
        there are fewer KV heads than cards.
    """

    name: str
    module: str
    parameters: int
    quantizable: bool = False
    kv_share: int = 0


def parts(shape: ModelShape) -> tuple[Part, ...]:
    """Every part of the model that vLLM loads without speculative decoding."""
    found = [Part("embeddings", "model.language_model.embed_tokens", _embedding(shape))]
    if not shape.tied:
        found.append(Part("lm_head", "lm_head", _embedding(shape)))
    found += _attention(shape)
    if shape.linear is not None:
        found += _linear(shape, shape.linear)
    found += _feed_forward(shape)
    norms = (shape.norms * len(shape.layers) + 1) * shape.hidden
    found.append(Part("norms", f"{_LAYER}.0.input_layernorm", norms))
    if shape.vision is not None:
        found.append(Part("vision", "model.visual.blocks.0", vision_parameters(shape.vision)))
    return tuple(found)


def mtp_parts(shape: ModelShape) -> tuple[Part, ...]:
    """The draft layers for multi-token prediction: full-attention layers like the model's own,
    behind one projection of two hidden states into one, and three norms. Embeddings and output
    head are the model's."""
    if not shape.mtp_layers:
        return ()
    layer = _attention_layer(shape)
    hidden = shape.hidden
    count = shape.mtp_layers
    body = layer + 2 * shape.attention.head_dim * shape.attention.qk_norm + 2 * hidden
    body += _experts_layer(shape) if shape.experts else 3 * hidden * shape.intermediate
    return (Part("mtp", "mtp.layers.0", count * body + 2 * hidden * hidden + 3 * hidden),)


def vision_parameters(vision: Vision) -> int:
    """Parameters of a vision tower and its projection into the language model."""
    hidden, wide = vision.hidden, vision.intermediate
    attention = 4 * hidden * hidden + 4 * hidden
    if vision.kind == "siglip":
        layer = attention + 2 * hidden * wide + wide + hidden + 4 * hidden
        ends = vision.patch * hidden + hidden + vision.positions * hidden + 2 * hidden
        return vision.depth * layer + ends + hidden * vision.out + hidden
    merged = hidden * vision.merge
    if vision.kind == "qwen2_5":
        layer = attention + 3 * hidden * wide + 2 * wide + hidden + 2 * hidden
        merger = hidden + merged * merged + merged + merged * vision.out + vision.out
        return vision.depth * layer + vision.patch * hidden + merger
    layer = attention + 2 * hidden * wide + wide + hidden + 4 * hidden
    ends = vision.patch * hidden + hidden + vision.positions * hidden
    merger = merged * merged + merged + merged * vision.out + vision.out
    # The last merger normalises before the patches are merged, a DeepStack one after.
    norms = 2 * hidden + (vision.mergers - 1) * 2 * merged
    return vision.depth * layer + ends + vision.mergers * merger + norms


def _embedding(shape: ModelShape) -> int:
    return shape.vocabulary * shape.hidden


def _kv(shape: ModelShape) -> int:
    attention = shape.attention
    width = attention.kv_heads * attention.head_dim
    return 2 * (shape.hidden * width + width * attention.bias)


def _attention_layer(shape: ModelShape) -> int:
    attention = shape.attention
    width = attention.heads * attention.head_dim
    queries = width * (2 if attention.output_gate else 1)
    biases = queries if attention.bias else 0
    return shape.hidden * queries + biases + _kv(shape) + width * shape.hidden


def _attention(shape: ModelShape) -> list[Part]:
    layers = shape.count(FULL) + shape.count(SLIDING)
    if not layers:
        return []
    at = max(shape.layers.index(FULL), 0) if FULL in shape.layers else 0
    found = [
        Part(
            "attention",
            f"{_LAYER}.{at}.self_attn.q_proj",
            layers * _attention_layer(shape),
            quantizable=True,
            kv_share=layers * _kv(shape),
        )
    ]
    if shape.attention.qk_norm:
        norms = layers * 2 * shape.attention.head_dim
        found.append(Part("query and key norms", f"{_LAYER}.{at}.self_attn.q_norm", norms))
    return found


def _linear(shape: ModelShape, linear: GatedDeltaNet) -> list[Part]:
    layers = shape.count(LINEAR)
    values = linear.value_heads * linear.value_dim
    # Queries, keys, values and the output gate in; the gated output back out.
    large = shape.hidden * (linear.conv_channels + values) + values * shape.hidden
    # Two small projections (decay and write strength), the convolution, A_log, dt_bias, norm.
    small = 2 * shape.hidden * linear.value_heads
    rest = linear.conv_channels * linear.kernel + 2 * linear.value_heads + linear.value_dim
    at = shape.layers.index(LINEAR)
    module = f"{_LAYER}.{at}.linear_attn"
    return [
        Part("Gated DeltaNet", f"{module}.in_proj_qkv", layers * large, quantizable=True),
        Part("Gated DeltaNet, small", f"{module}.in_proj_a", layers * (small + rest)),
    ]


def _experts_layer(shape: ModelShape) -> int:
    experts = shape.experts
    if experts is None:
        return 0
    routed = experts.count * 3 * shape.hidden * experts.width
    shared = 3 * shape.hidden * experts.shared + (shape.hidden if experts.shared else 0)
    return routed + shared + shape.hidden * experts.count


def _feed_forward(shape: ModelShape) -> list[Part]:
    found = []
    dense = len(shape.layers) - shape.expert_layers
    if dense:
        parameters = dense * 3 * shape.hidden * shape.intermediate
        found.append(Part("feed-forward", f"{_LAYER}.0.mlp.up_proj", parameters, quantizable=True))
    experts, layers = shape.experts, shape.expert_layers
    if experts is None:
        return found
    routed = layers * experts.count * 3 * shape.hidden * experts.width
    found.append(Part("experts", f"{_LAYER}.0.mlp.experts.0.up_proj", routed, quantizable=True))
    if experts.shared:
        shared = layers * 3 * shape.hidden * experts.shared
        name = f"{_LAYER}.0.mlp.shared_expert.up_proj"
        found.append(Part("shared expert", name, shared, quantizable=True))
    router = layers * shape.hidden * (experts.count + (1 if experts.shared else 0))
    found.append(Part("router", f"{_LAYER}.0.mlp.gate", router))
    return found
