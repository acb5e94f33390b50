"""Model types by the traits that their config.json does not state.

Source: vLLM's model files of the same names (model_executor/models/*.py) and the default values
of transformers' configuration classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What is true of a model type unless its config.json says otherwise.

    norms: normalisation weights a layer, each as wide as the hidden state.
    """

    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: bool = False
    tied: bool = False
    norms: int = 2
    gated_output: bool = False
    shared_gate: bool = False


_PLAIN = Family()
_QWEN3 = Family(qk_norm=True)
_NAMED = {
    **dict.fromkeys(
        ("llama", "mistral", "ministral3", "mixtral", "internlm2", "llama4_text", "nemotron_h"),
        _PLAIN,
    ),
    **dict.fromkeys(
        ("deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm_moe_dsa", "glm4_moe_lite"),
        _PLAIN,
    ),
    **dict.fromkeys(("qwen2", "qwen2_vl", "qwen2_5_vl", "qwen2_5_vl_text"), Family(qkv_bias=True)),
    **dict.fromkeys(("qwen3", "qwen3_moe", "exaone4"), _QWEN3),
    "qwen3_next": Family(qk_norm=True, gated_output=True, shared_gate=True),
    "gemma": Family(tied=True),
    "gemma2": Family(tied=True, norms=4),
    **dict.fromkeys(("cohere", "cohere2"), Family(tied=True, norms=1)),
    **dict.fromkeys(("gemma3", "gemma3_text"), Family(qk_norm=True, tied=True, norms=4)),
    **dict.fromkeys(("gemma4", "gemma4_text"), Family(qk_norm=True, tied=True, norms=4)),
    **dict.fromkeys(("dots1", "olmoe", "minimax_m2"), _QWEN3),
    **dict.fromkeys(("phimoe", "granitemoe"), _PLAIN),
    "qwen2_moe": Family(qkv_bias=True, shared_gate=True),
    "gpt_oss": Family(qkv_bias=True, output_bias=True),
    "glm4_moe": Family(qkv_bias=True),
}
_PREFIXES = {
    "qwen3_vl": _QWEN3,
    "qwen3_5": Family(qk_norm=True, gated_output=True, shared_gate=True),
}


def family(kind: str) -> Family | None:
    """Return the traits of a model type; None for one whose weights are not counted here."""
    named = _NAMED.get(kind)
    if named is not None:
        return named
    return _of_prefix(kind, _PREFIXES.items())


def _of_prefix(kind: str, prefixes: Iterable[tuple[str, Family]]) -> Family | None:
    return next((found for prefix, found in prefixes if kind.startswith(prefix)), None)
