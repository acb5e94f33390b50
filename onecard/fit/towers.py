"""The vision tower that a config.json describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.fit.errors import NotModelledError
from onecard.fit.reading import section, whole
from onecard.fit.shape import Vision


def read_vision(config: Mapping[str, Any]) -> Vision | None:
    """The model's vision tower, None for a text model.

    Raises:
        NotModelledError: the tower is of a kind whose weights are not counted here.
    """
    tower = section(config, "vision_config")
    if tower is None:
        return None
    kind = str(config.get("model_type", ""))
    if kind.startswith(("qwen3_vl", "qwen3_5")):
        return _qwen3(tower)
    if kind == "qwen2_5_vl":
        return _qwen2_5(tower)
    if kind == "gemma3":
        text = section(config, "text_config") or config
        return _siglip(tower, whole(text, "hidden_size"))
    raise NotModelledError(f"config.json: the vision tower of model_type {kind} is not modelled")


def _qwen3(tower: Mapping[str, Any]) -> Vision:
    side = whole(tower, "patch_size")
    merge = whole(tower, "spatial_merge_size")
    return Vision(
        kind="qwen3",
        depth=whole(tower, "depth"),
        hidden=whole(tower, "hidden_size"),
        intermediate=whole(tower, "intermediate_size"),
        patch=whole(tower, "in_channels", 3) * whole(tower, "temporal_patch_size") * side * side,
        out=whole(tower, "out_hidden_size"),
        positions=whole(tower, "num_position_embeddings"),
        merge=merge * merge,
        mergers=1 + len(tower.get("deepstack_visual_indexes") or ()),
    )


def _qwen2_5(tower: Mapping[str, Any]) -> Vision:
    side = whole(tower, "patch_size")
    merge = whole(tower, "spatial_merge_size")
    channels = whole(tower, "in_channels", whole(tower, "in_chans", 3))
    return Vision(
        kind="qwen2_5",
        depth=whole(tower, "depth"),
        hidden=whole(tower, "hidden_size"),
        intermediate=whole(tower, "intermediate_size"),
        patch=channels * whole(tower, "temporal_patch_size") * side * side,
        out=whole(tower, "out_hidden_size"),
        merge=merge * merge,
    )


def _siglip(tower: Mapping[str, Any], out: int) -> Vision:
    side = whole(tower, "patch_size")
    across = whole(tower, "image_size") // side
    return Vision(
        kind="siglip",
        depth=whole(tower, "num_hidden_layers"),
        hidden=whole(tower, "hidden_size"),
        intermediate=whole(tower, "intermediate_size"),
        patch=whole(tower, "num_channels", 3) * side * side,
        out=out,
        positions=across * across,
    )
