"""The tables of rotary positions: sines and cosines for every position, made when a model loads.

Source: `get_rope` in vLLM's model_executor/layers/rotary_embedding/ (one table for each set of
parameters, in the model's own type), mrope.py, gemma4_rope.py. Checked by the weights that vLLM
logged: 0.03 GiB more than the checkpoint for Llama 3.1 8B, 0.14 for Qwen3.5-27B.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import ModelShape
from onecard.fit.shape.reading import section

# With positions in time, height and width (M-RoPE) a video's may exceed its tokens: four times.
_M_ROPE = 4
_M_ROPE_PREFIXES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5")
_PARTIAL = {"qwen3_next": 0.25, "qwen3_5": 0.25, "glm4_moe": 0.5}


def rotary_numbers(text: Mapping[str, Any], kind: str, shape: ModelShape) -> int:
    """Return the numbers in all tables of a model.

    Raises NotModelledError for a share of rotated numbers that is none.
    """
    max_context, latent, local = shape.max_context, shape.latent, shape.local
    if kind == "nemotron_h":  # attention without positions
        return 0
    if latent is not None:
        return max_context * latent.rope_dim
    if local is not None:  # Gemma 4: whole heads, rotated or not
        return max_context * (shape.attention.head_dim + local.head_dim)
    tables = 2 if kind.startswith("gemma3") else 1  # one of them for the sliding layers
    positions = max_context * (_M_ROPE if kind.startswith(_M_ROPE_PREFIXES) else 1)
    return tables * positions * int(shape.attention.head_dim * _partial(text, kind))


def _partial(text: Mapping[str, Any], kind: str) -> float:
    """Return the share of a head's numbers that are rotated."""
    rope = section(text, "rope_parameters") or section(text, "rope_scaling") or {}
    found = text.get("partial_rotary_factor", rope.get("partial_rotary_factor"))
    if found is None:
        return next((part for prefix, part in _PARTIAL.items() if kind.startswith(prefix)), 1.0)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= 1:
        raise NotModelledError("config.json: partial_rotary_factor is not a share from 0 to 1")
    return float(found)
