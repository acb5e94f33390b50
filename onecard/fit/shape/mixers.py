"""What a layer mixes tokens with: attention of each kind, or a recurrent state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.families import Family
from onecard.fit.shape.model_shape import Attention, GatedDeltaNet, LatentAttention, Mamba2
from onecard.fit.shape.reading import flag, listed, number_bytes, whole, word


def read_attention(text: Mapping[str, Any], found: Family) -> Attention:
    """Return the attention of the full layers, or of all where they do not differ."""
    heads = whole(text, "num_attention_heads", least=1)
    hidden = whole(text, "hidden_size", least=1)
    if text.get("kv_lora_rank"):
        plain = whole(text, "qk_nope_head_dim", least=1)
        # The cache holds one latent vector whatever the number of heads.
        return Attention(heads, 1, plain + whole(text, "qk_rope_head_dim", least=1))
    dim = whole(text, "head_dim", hidden // heads, least=1)
    key_value = whole(text, "num_key_value_heads", heads, least=1)
    shared = flag(text, "attention_k_eq_v")
    if shared:
        key_value = whole(text, "num_global_key_value_heads", key_value, least=1)
    return Attention(
        heads=heads,
        kv_heads=key_value,
        head_dim=whole(text, "global_head_dim", dim, least=1),
        output_gate=flag(text, "attn_output_gate", found.gated_output),
        bias=flag(text, "attention_bias", found.qkv_bias),
        output_bias=found.output_bias,
        qk_norm=flag(text, "use_qk_norm", found.qk_norm),
        keys_are_values=shared,
    )


def read_local_attention(text: Mapping[str, Any], found: Family) -> Attention | None:
    """Return the sliding layers' attention where the full layers' differs (Gemma 4)."""
    if not text.get("global_head_dim") and not text.get("num_global_key_value_heads"):
        return None
    same = ("global_head_dim", "num_global_key_value_heads", "attention_k_eq_v")
    return read_attention({key: text[key] for key in text if key not in same}, found)


def read_latent(text: Mapping[str, Any]) -> LatentAttention | None:
    """Return the sizes of multi-head latent attention, None without it."""
    if not text.get("kv_lora_rank"):
        return None
    sparse = whole(text, "index_topk", 0)
    return LatentAttention(
        query_rank=whole(text, "q_lora_rank", 0),
        rank=whole(text, "kv_lora_rank", least=1),
        plain_dim=whole(text, "qk_nope_head_dim", least=1),
        rope_dim=whole(text, "qk_rope_head_dim", least=1),
        value_dim=whole(text, "v_head_dim", least=1),
        index_heads=whole(text, "index_n_heads", least=1) if sparse else 0,
        index_dim=whole(text, "index_head_dim", least=128) if sparse else 0,
    )


def read_linear(text: Mapping[str, Any], kind: str) -> GatedDeltaNet | Mamba2:
    """Return the recurrent layer's sizes.

    The state's type: Qwen3.5 names it in `mamba_ssm_dtype`, else the engine decides
    (layout.py); Nemotron-H names it in `mamba_ssm_cache_dtype`, else it is float32
    (vLLM model_executor/models/config.py, `Qwen3_5ForConditionalGenerationConfig` and
    `NemotronHForCausalLMConfig`, from 0.20).
    """
    if kind == "nemotron_h":
        return Mamba2(
            heads=whole(text, "mamba_num_heads", least=1),
            head_dim=whole(text, "mamba_head_dim", least=1),
            groups=whole(text, "n_groups", least=1),
            state=whole(text, "ssm_state_size", least=1),
            kernel=whole(text, "conv_kernel", 4, least=1),
            state_bytes=number_bytes(
                text.get("mamba_ssm_cache_dtype") or "float32", "mamba_ssm_cache_dtype"
            ),
        )
    named = text.get("mamba_ssm_dtype") if kind.startswith("qwen3_5") else None
    return GatedDeltaNet(
        key_heads=whole(text, "linear_num_key_heads", least=1),
        value_heads=whole(text, "linear_num_value_heads", least=1),
        key_dim=whole(text, "linear_key_head_dim", least=1),
        value_dim=whole(text, "linear_value_head_dim", least=1),
        kernel=whole(text, "linear_conv_kernel_dim", least=1),
        state_bytes=number_bytes(named, "mamba_ssm_dtype") if named else 0,
    )


def refuse_unmodelled(config: Mapping[str, Any], text: Mapping[str, Any], kind: str) -> None:
    """Raise NotModelledError for every mechanism whose memory is not modelled."""
    modelled = _MODELLED_BY.get(kind, ())
    for level in (config, text):
        for key, what in _UNMODELLED.items():
            if level.get(key) and key not in modelled:
                raise NotModelledError(f"config.json: {key} means {what}, which is not modelled")
        if 0 in listed(level, "attn_type_list"):  # MiniMax's lightning attention; 1 is full
            raise NotModelledError("config.json: attn_type_list has layers that are not modelled")
        if level.get("is_encoder_decoder"):
            raise NotModelledError("config.json: an encoder-decoder model is not modelled")
    if word(text, "model_type") == "llama4_text" and level_has_windows(text):
        raise NotModelledError("config.json: Llama 4 with sliding windows is not modelled")


def level_has_windows(text: Mapping[str, Any]) -> bool:
    """Return whether layers with a sliding window are named."""
    return bool(text.get("sliding_window"))


# A key that is present and set means a mechanism whose memory is not modelled.
_UNMODELLED = {
    "ssm_state_size": "Mamba layers (modelled: Gated DeltaNet, and Mamba-2 of Nemotron-H)",
    "mamba_d_state": "Mamba layers (modelled: Gated DeltaNet, and Mamba-2 of Nemotron-H)",
    "state_size": "Mamba layers (modelled: Gated DeltaNet, and Mamba-2 of Nemotron-H)",
    "linear_attn_config": "Kimi Delta Attention",
    "attention_chunk_size": "chunked local attention",
    "cross_attention_layers": "cross-attention layers",
    "num_kv_shared_layers": "KV caches shared between layers",
    "global_head_dim": "head dimensions that differ between layers",
    "num_global_key_value_heads": "KV heads that differ between layers",
    "block_configs": "layers that differ in shape",
    "compress_ratios": "compressed attention",
    "index_topk": "sparse attention with an indexer",
    "moe_latent_size": "experts in a latent space",
}
_GEMMA4 = ("num_kv_shared_layers", "global_head_dim", "num_global_key_value_heads")
_MODELLED_BY = {
    "nemotron_h": ("ssm_state_size",),
    "gemma4": _GEMMA4,
    "gemma4_text": _GEMMA4,
    # With one cache manager for all layers, which is vLLM's default here, chunked layers take as
    # much as full ones (config/vllm.py, VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE).
    "llama4_text": ("attention_chunk_size",),
    "deepseek_v32": ("index_topk",),
    "glm_moe_dsa": ("index_topk",),
}
