"""The kind of each text layer: full attention, sliding window, or Gated DeltaNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.fit.errors import NotModelledError
from onecard.fit.reading import flag, whole
from onecard.fit.shape import FULL, LINEAR, SLIDING

_KNOWN = {FULL, SLIDING, LINEAR}
_HYBRID_PREFIXES = ("qwen3_5", "qwen3_next")


def layer_kinds(text: Mapping[str, Any], kind: str) -> tuple[tuple[str, ...], int]:
    """The kind of each layer in order, and the window (tokens) of the sliding ones (0: none).

    Raises:
        NotModelledError: a kind of layer is not modelled, or the config doesn't say which layers
            use its window.
    """
    count = whole(text, "num_hidden_layers")
    named = text.get("layer_types")
    window = whole(text, "sliding_window", 0)
    if named:
        return _named(named, count, window)
    if kind.startswith(_HYBRID_PREFIXES):
        return _every(count, whole(text, "full_attention_interval", 4), LINEAR), 0
    if kind.startswith("gemma3"):
        return _gemma3(text, count, window)
    if not window or not flag(text, "use_sliding_window", True):
        return (FULL,) * count, 0
    if kind == "mistral":
        return (SLIDING,) * count, window
    raise NotModelledError(
        f"config.json: sliding_window is {window} but nothing says which layers of model_type "
        f"{kind} use it (no layer_types), so the KV cache cannot be counted"
    )


def _named(named: Any, count: int, window: int) -> tuple[tuple[str, ...], int]:
    kinds = tuple(str(kind) for kind in named)
    if unknown := sorted(set(kinds) - _KNOWN):
        raise NotModelledError(f"config.json: layer_types {', '.join(unknown)} is not modelled")
    if len(kinds) != count:
        raise NotModelledError(
            f"config.json: layer_types names {len(kinds)} layers, num_hidden_layers is {count}"
        )
    if SLIDING in kinds and LINEAR in kinds:
        raise NotModelledError(
            "config.json: sliding-window and linear-attention layers in one model are not modelled"
        )
    if SLIDING not in kinds:
        return kinds, 0
    if not window:
        raise NotModelledError("config.json: sliding layers without a sliding_window")
    return kinds, window


def _gemma3(text: Mapping[str, Any], count: int, window: int) -> tuple[tuple[str, ...], int]:
    if not window:
        raise NotModelledError("config.json: sliding_window is missing, Gemma 3 has such layers")
    pattern = whole(text, "sliding_window_pattern", whole(text, "_sliding_window_pattern", 6))
    return _every(count, pattern, SLIDING), window


def _every(count: int, interval: int, otherwise: str) -> tuple[str, ...]:
    return tuple(FULL if (at + 1) % interval == 0 else otherwise for at in range(count))
