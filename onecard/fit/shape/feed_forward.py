"""The feed-forward part of each layer: dense, or a mixture of experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.families import Family
from onecard.fit.shape.model_shape import Experts
from onecard.fit.shape.reading import flag, listed, whole

_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
# Model types whose experts have the width `intermediate_size`.
_OWN_WIDTH = {"mixtral", "gpt_oss", "llama4_text", "minimax_m2", "olmoe", "phimoe", "granitemoe"}


@dataclass(frozen=True)
class FeedForward:
    """width: of the dense part. expert_layers, dense_layers: how many layers hold each."""

    width: int
    experts: Experts | None
    expert_layers: int
    dense_layers: int


def read_feed_forward(
    text: Mapping[str, Any], kind: str, layers: Sequence[str], found: Family | None
) -> FeedForward:
    """Return what the layers hold beside attention.

    Raises NotModelledError where the model type's experts are not counted here.
    """
    count = next((whole(text, key) for key in _COUNTS if text.get(key)), 0)
    if kind == "nemotron_h":
        return _by_pattern(text, count)
    if not count or (kind.startswith("gemma4") and not flag(text, "enable_moe_block")):
        return FeedForward(whole(text, "intermediate_size"), None, 0, len(layers))
    if found is None:
        raise NotModelledError(f"config.json: the experts of model_type {kind} are not modelled")
    experts = _experts(text, kind, count, found)
    sparse = _expert_layers(text, kind, len(layers))
    dense = len(layers) if experts.beside else len(layers) - sparse
    wide = "intermediate_size_mlp" if kind == "llama4_text" else "intermediate_size"
    # A model without dense layers may have no intermediate_size.
    return FeedForward(whole(text, wide, 0 if not dense else None), experts, sparse, dense)


def _experts(text: Mapping[str, Any], kind: str, count: int, found: Family) -> Experts:
    own = whole(text, "intermediate_size") if kind in _OWN_WIDTH else None
    width = whole(text, "moe_intermediate_size", own, least=1)
    shared = whole(text, "shared_expert_intermediate_size", 0)
    shared = shared or whole(text, "n_shared_experts", 0) * width
    if kind == "llama4_text":
        shared = width
    each = next(
        (whole(text, key) for key in ("num_experts_per_tok", "top_k_experts") if text.get(key)), 8
    )
    return Experts(
        count=count,
        width=width,
        shared=shared,
        shared_gate=found.shared_gate,
        each=each,
        bias=kind == "gpt_oss",
        beside=kind.startswith("gemma4"),
    )


def _expert_layers(text: Mapping[str, Any], kind: str, layers: int) -> int:
    """Return the number of layers with experts."""
    if kind == "llama4_text":
        return layers // max(whole(text, "interleave_moe_layer_step", 1), 1)
    if text.get("first_k_dense_replace") is not None:
        return layers - whole(text, "first_k_dense_replace")
    dense = [layer for layer in listed(text, "mlp_only_layers") if layer in range(layers)]
    step = max(whole(text, "decoder_sparse_step", 1), 1)
    return len([at for at in range(layers) if at not in dense and (at + 1) % step == 0])


def _by_pattern(text: Mapping[str, Any], count: int) -> FeedForward:
    """Nemotron-H: a layer is a mixer, a feed-forward part (-) or experts (E), never two of them."""
    pattern = str(text.get("hybrid_override_pattern", ""))
    experts = None
    if "E" in pattern:
        experts = Experts(
            count=count,
            width=whole(text, "moe_intermediate_size", least=1),
            shared=whole(text, "moe_shared_expert_intermediate_size", 0)
            * whole(text, "n_shared_experts", 0),
            each=whole(text, "num_experts_per_tok"),
            matrices=2,
        )
    return FeedForward(
        whole(text, "intermediate_size", 0), experts, pattern.count("E"), pattern.count("-")
    )
