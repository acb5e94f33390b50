"""The kind of each text layer: full attention, sliding window, recurrent, or none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import FULL, LINEAR, NO_ATTENTION, SLIDING
from onecard.fit.shape.reading import flag, listed, whole, word

_KNOWN = {FULL, SLIDING, LINEAR}
_MOST_LAYERS = 10_000
# Without layer_types: model types whose window holds for every layer, and those with full layers at
# an interval (transformers' configuration classes of the same names).
_ALL_SLIDING = {"mistral", "mixtral", "phi3", "starcoder2"}
_ALTERNATING = {"gemma2": 2, "cohere2": 4}
_HYBRID_PREFIXES = ("qwen3_5", "qwen3_next")


def layer_kinds(text: Mapping[str, Any], kind: str) -> tuple[tuple[str, ...], int]:
    """Return each layer's kind, in order, and the window (tokens) of the sliding ones (0: none).

    Raises:
        NotModelledError: a kind of layer is not modelled, or the config does not say which layers
            use its window.
    """
    count = whole(text, "num_hidden_layers", least=1, most=_MOST_LAYERS)
    if kind == "nemotron_h":
        return _nemotron(text, count), 0
    if kind == "llama4_text":
        return (FULL,) * count, 0  # see mixers.py: chunked layers are cached like full ones
    named = listed(text, "layer_types")
    window = whole(text, "sliding_window", 0)
    if named:
        return _named(named, count, window)
    if kind.startswith(_HYBRID_PREFIXES):
        return _every(count, whole(text, "full_attention_interval", 4, least=1), LINEAR), 0
    if kind.startswith("gemma3"):
        return _gemma3(text, count, window)
    if kind == "exaone4" and window and text.get("sliding_window_pattern"):
        return _exaone4(str(text["sliding_window_pattern"]), count), window
    longest = whole(text, "max_position_embeddings", window + 1)
    if not flag(text, "use_sliding_window", True) or not 0 < window < longest:
        return (FULL,) * count, 0  # a window of the whole context is none
    if kind in _ALL_SLIDING:
        return (SLIDING,) * count, window
    if kind in _ALTERNATING:
        interval = whole(text, "sliding_window_pattern", _ALTERNATING[kind], least=1)
        return _every(count, interval, SLIDING), window
    raise NotModelledError(
        f"config.json: sliding_window is {window} but no key says which layers of model_type "
        f"{kind} use it (no layer_types), so the KV cache cannot be counted"
    )


def _named(named: Sequence[Any], count: int, window: int) -> tuple[tuple[str, ...], int]:
    kinds = tuple(str(kind) for kind in named)
    if unknown := sorted(set(kinds) - _KNOWN):
        names = ascii(", ".join(unknown)[:200])[1:-1]
        raise NotModelledError(f"config.json: layer_types {names} is not modelled")
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
    pattern = whole(text, "_sliding_window_pattern", 6, least=1)
    pattern = whole(text, "sliding_window_pattern", pattern, least=1)
    return _every(count, pattern, SLIDING), window


_PATTERN = {"M": LINEAR, "*": FULL, "-": NO_ATTENTION, "E": NO_ATTENTION}


def _nemotron(text: Mapping[str, Any], count: int) -> tuple[str, ...]:
    pattern = word(text, "hybrid_override_pattern")
    if len(pattern) != count or set(pattern) - set(_PATTERN):
        raise NotModelledError(
            f"config.json: hybrid_override_pattern is not one of {', '.join(_PATTERN)} for each of "
            f"the {count} layers"
        )
    return tuple(_PATTERN[letter] for letter in pattern)


def _exaone4(pattern: str, count: int) -> tuple[str, ...]:
    """A pattern such as LLLG is repeated; the last layer is always a full one."""
    kinds = [SLIDING if pattern[at % len(pattern)] == "L" else FULL for at in range(count)]
    return (*kinds[:-1], FULL)


def _every(count: int, interval: int, otherwise: str) -> tuple[str, ...]:
    return tuple(FULL if (at + 1) % interval == 0 else otherwise for at in range(count))
