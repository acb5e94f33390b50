"""A Hugging Face config.json as a `ModelShape`. Reads the values, guesses none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.fit.errors import NotModelledError
from onecard.fit.layer_kinds import layer_kinds
from onecard.fit.quantization import read_quantization
from onecard.fit.reading import flag, number_bytes, section, whole
from onecard.fit.shape import LINEAR, SLIDING, Attention, Experts, GatedDeltaNet, ModelShape
from onecard.fit.towers import read_vision

# Families whose weights are laid out as counted in parameters.py, after vLLM's model files of
# the same names: qkv bias, query and key norms, norms a layer.
_QKV_BIAS = {"qwen2", "qwen2_5_vl", "qwen2_5_vl_text"}
_QK_NORM = {"qwen3", "qwen3_moe", "gemma3", "gemma3_text", "qwen3_next"}
_QK_NORM_PREFIXES = ("qwen3_vl", "qwen3_5")
_FOUR_NORMS = {"gemma3", "gemma3_text"}
_TIED_BY_DEFAULT = {"gemma3", "gemma3_text"}
_GATED_OUTPUT_PREFIXES = ("qwen3_5",)
_COUNTED = {"llama", "mistral", "mixtral"} | _QKV_BIAS | _QK_NORM

# A key that is present and set means a mechanism whose memory is not modelled.
_UNMODELLED = {
    "kv_lora_rank": "multi-head latent attention (MLA)",
    "ssm_state_size": "Mamba-2 layers (of recurrent layers only Gated DeltaNet is modelled)",
    "mamba_d_state": "Mamba-2 layers (of recurrent layers only Gated DeltaNet is modelled)",
    "state_size": "Mamba layers (of recurrent layers only Gated DeltaNet is modelled)",
    "attention_chunk_size": "chunked local attention",
    "cross_attention_layers": "cross-attention layers",
    "num_kv_shared_layers": "KV caches shared between layers",
    "global_head_dim": "head dimensions that differ between layers",
    "num_global_key_value_heads": "KV heads that differ between layers",
    "block_configs": "layers that differ in shape",
    "audio_config": "an audio tower",
    "compress_ratios": "compressed attention",
    "index_topk": "sparse attention with an indexer",
}


def parse_config(config: Mapping[str, Any]) -> ModelShape:
    """Reads a model's shape from its config.json, nested (`text_config`) or flat.

    Raises:
        NotModelledError: a value is missing, or the model uses a mechanism that is not modelled.
    """
    text = section(config, "text_config") or config
    refuse_unmodelled(config, text)
    outer = str(config.get("model_type", ""))
    kind = str(text.get("model_type") or outer)
    layers, window = layer_kinds(text, kind)
    experts, expert_layers = _experts(text, kind, len(layers))
    return ModelShape(
        model_type=outer or kind,
        vocabulary=whole(text, "vocab_size", 262208 if kind.startswith("gemma3") else None),
        hidden=whole(text, "hidden_size"),
        intermediate=_intermediate(text, expert_layers, len(layers)),
        layers=layers,
        attention=_attention(text, kind),
        max_context=whole(text, "max_position_embeddings", 131072 if SLIDING in layers else None),
        tied=flag(config, "tie_word_embeddings", _tied_inside(text, kind)),
        norms=4 if kind in _FOUR_NORMS else 2,
        dtype_bytes=2,
        window=window,
        linear=_linear(text) if LINEAR in layers else None,
        experts=experts,
        expert_layers=expert_layers,
        vision=read_vision(config),
        mtp_layers=whole(text, "mtp_num_hidden_layers", 0),
        quantization=read_quantization(
            section(config, "quantization_config") or section(text, "quantization_config")
        ),
        assumptions=_assumptions(kind),
    )


def refuse_unmodelled(config: Mapping[str, Any], text: Mapping[str, Any]) -> None:
    """Raises NotModelledError for every mechanism whose memory is not modelled."""
    for level in (config, text):
        for key, what in _UNMODELLED.items():
            if level.get(key):
                raise NotModelledError(f"config.json: {key} means {what}, which is not modelled")
        if level.get("is_encoder_decoder"):
            raise NotModelledError("config.json: an encoder-decoder model is not modelled")


def _counted(kind: str) -> bool:
    return kind in _COUNTED or kind.startswith(_QK_NORM_PREFIXES)


def _assumptions(kind: str) -> tuple[str, ...]:
    if _counted(kind):
        return ()
    return (
        f"model_type {kind or 'unset'} is not known: its weights are counted as a Llama-like "
        "model's (gated feed-forward part, no biases)",
    )


def _attention(text: Mapping[str, Any], kind: str) -> Attention:
    heads = whole(text, "num_attention_heads")
    hidden = whole(text, "hidden_size")
    return Attention(
        heads=heads,
        kv_heads=whole(text, "num_key_value_heads", heads),
        head_dim=whole(text, "head_dim", hidden // max(heads, 1)),
        output_gate=flag(text, "attn_output_gate", kind.startswith(_GATED_OUTPUT_PREFIXES)),
        bias=flag(text, "attention_bias", kind in _QKV_BIAS),
        qk_norm=kind in _QK_NORM or kind.startswith(_QK_NORM_PREFIXES),
    )


def _linear(text: Mapping[str, Any]) -> GatedDeltaNet:
    return GatedDeltaNet(
        key_heads=whole(text, "linear_num_key_heads"),
        value_heads=whole(text, "linear_num_value_heads"),
        key_dim=whole(text, "linear_key_head_dim"),
        value_dim=whole(text, "linear_value_head_dim"),
        kernel=whole(text, "linear_conv_kernel_dim"),
        state_bytes=number_bytes(text.get("mamba_ssm_dtype", "float32"), "mamba_ssm_dtype"),
    )


def _experts(text: Mapping[str, Any], kind: str, layers: int) -> tuple[Experts | None, int]:
    count = whole(text, "num_experts", whole(text, "num_local_experts", 0))
    if not count:
        if text.get("n_routed_experts"):
            raise NotModelledError(f"config.json: the experts of model_type {kind} aren't modelled")
        return None, 0
    if not _counted(kind):
        raise NotModelledError(f"config.json: the experts of model_type {kind} are not modelled")
    fallback = whole(text, "intermediate_size") if kind == "mixtral" else None
    experts = Experts(
        count=count,
        width=whole(text, "moe_intermediate_size", fallback),
        shared=whole(text, "shared_expert_intermediate_size", 0),
    )
    dense = {layer for layer in text.get("mlp_only_layers") or () if layer < layers}
    step = max(whole(text, "decoder_sparse_step", 1), 1)
    sparse = [at for at in range(layers) if at not in dense and (at + 1) % step == 0]
    return experts, len(sparse)


def _intermediate(text: Mapping[str, Any], expert_layers: int, layers: int) -> int:
    # A model of experts alone need not name the width of a dense layer that it doesn't have.
    return whole(text, "intermediate_size", 0 if expert_layers == layers else None)


def _tied_inside(text: Mapping[str, Any], kind: str) -> bool:
    return flag(text, "tie_word_embeddings", kind in _TIED_BY_DEFAULT)
