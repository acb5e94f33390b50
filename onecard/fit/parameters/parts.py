"""Every part of a model's weights.

Each has its module's name in checkpoints, which is matched against a quantised checkpoint's list
of modules that are not quantised.
"""

from __future__ import annotations

from onecard.fit.parameters.feed_forward import experts_layer, feed_forward_parts
from onecard.fit.parameters.mixers import attention_layer, attention_parts, linear_parts
from onecard.fit.parameters.part import LAYER, Part
from onecard.fit.parameters.vision import vision_parameters
from onecard.fit.shape.model_shape import ModelShape


def parts(shape: ModelShape) -> tuple[Part, ...]:
    """Return every part of the model that vLLM loads without speculative decoding."""
    embedding = shape.vocabulary * shape.hidden
    found = [Part("embeddings", "model.language_model.embed_tokens", embedding)]
    if not shape.tied:
        found.append(Part("lm_head", "lm_head", embedding))
    if shape.layer_inputs:
        found.append(_layer_inputs(shape))
    found += attention_parts(shape) + linear_parts(shape) + feed_forward_parts(shape)
    norms = (shape.norms * len(shape.layers) + 1) * shape.hidden
    found.append(Part("norms", f"{LAYER}.0.input_layernorm", norms, whole=norms))
    if shape.rotary:
        name = f"{LAYER}.0.self_attn.rotary_emb"
        found.append(Part("rotary tables", name, shape.rotary, whole=shape.rotary, stored=False))
    if shape.vision is not None:
        found.append(Part("vision", "model.visual.blocks.0", vision_parameters(shape.vision)))
    return tuple(found)


def mtp_parts(shape: ModelShape) -> tuple[Part, ...]:
    """Return the draft layers for multi-token prediction.

    Full-attention layers like the model's own, after one projection of two hidden states into one,
    and three norms. Embeddings and output head are the model's.
    """
    if not shape.mtp_layers:
        return ()
    layer = attention_layer(shape)
    hidden = shape.hidden
    count = shape.mtp_layers
    body = layer + 2 * shape.attention.head_dim * shape.attention.qk_norm + 2 * hidden
    body += experts_layer(shape) if shape.experts else 3 * hidden * shape.intermediate
    return (Part("mtp", "mtp.layers.0", count * body + 2 * hidden * hidden + 3 * hidden),)


def _layer_inputs(shape: ModelShape) -> Part:
    """Gemma 3n and 4: an embedding for each layer, and its projections."""
    layers, width = len(shape.layers), shape.layer_inputs
    table = shape.vocabulary * layers * width
    projections = shape.hidden * layers * width + layers * 2 * shape.hidden * width
    return Part("layer inputs", "model.language_model.embed_tokens_per_layer", table + projections)
