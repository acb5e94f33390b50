"""Parse a Hugging Face config.json to a `ModelShape`. No value is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from onecard.fit.shape.families import Family, family
from onecard.fit.shape.feed_forward import read_feed_forward
from onecard.fit.shape.layer_kinds import layer_kinds
from onecard.fit.shape.mixers import (
    read_attention,
    read_latent,
    read_linear,
    read_local_attention,
    refuse_unmodelled,
)
from onecard.fit.shape.model_shape import LINEAR, SLIDING, ModelShape
from onecard.fit.shape.quantization import read_quantization
from onecard.fit.shape.reading import flag, section, whole, word
from onecard.fit.shape.rotary import rotary_numbers
from onecard.fit.shape.towers import read_vision

_GEMMA_VOCABULARY = {"gemma3": 262208, "gemma3_text": 262208}
# Where the language model lies in a config.json of several parts.
_TEXT_KEYS = ("text_config", "llm_config", "language_config")
_BYTES = 2  # vLLM serves float32 checkpoints as 16-bit numbers unless --dtype says otherwise


def parse_config(config: Mapping[str, Any]) -> ModelShape:
    """Read a model's shape from its config.json, nested (`text_config`) or flat.

    Raises:
        NotModelledError: a value is missing, or the model uses a mechanism that is not modelled.
    """
    text = next((part for key in _TEXT_KEYS if (part := section(config, key))), config)
    outer = word(config, "model_type")
    kind = word(text, "model_type") or outer
    refuse_unmodelled(config, text, kind)
    found = family(kind)
    layers, window = layer_kinds(text, kind)
    rest = read_feed_forward(text, kind, layers, found)
    traits = found or Family()
    shared = whole(text, "num_kv_shared_layers", 0, most=len(layers) - 1)
    shape = ModelShape(
        model_type=outer or kind,
        vocabulary=whole(text, "vocab_size", _GEMMA_VOCABULARY.get(kind)),
        hidden=whole(text, "hidden_size", least=1),
        intermediate=rest.width,
        layers=layers,
        attention=read_attention(text, traits),
        max_context=whole(text, "max_position_embeddings", 131072 if SLIDING in layers else None),
        tied=flag(config, "tie_word_embeddings", flag(text, "tie_word_embeddings", traits.tied)),
        norms=1 if kind == "nemotron_h" else traits.norms,
        dtype_bytes=_BYTES,
        window=window,
        linear=read_linear(text, kind) if LINEAR in layers else None,
        latent=read_latent(text),
        local=read_local_attention(text, traits),
        shared_kv_layers=shared,
        wide_layers=shared if flag(text, "use_double_wide_mlp") else 0,
        whole_items=text.get("use_bidirectional_attention") == "vision",
        layer_inputs=whole(text, "hidden_size_per_layer_input", 0),
        experts=rest.experts,
        expert_layers=rest.expert_layers,
        dense_layers=rest.dense_layers,
        vision=read_vision(config),
        mtp_layers=whole(text, "mtp_num_hidden_layers", whole(text, "num_nextn_predict_layers", 0)),
        quantization=read_quantization(
            section(config, "quantization_config") or section(text, "quantization_config")
        ),
        assumptions=_assumptions(kind, found),
    )
    return replace(shape, rotary=rotary_numbers(text, kind, shape))


def _assumptions(kind: str, found: Family | None) -> tuple[str, ...]:
    if found is not None:
        return ()
    return (
        f"model_type {kind or 'unset'} is not known: its weights are counted as a Llama-like "
        "model's (gated feed-forward part, no biases)",
    )
