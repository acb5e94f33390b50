"""The vision tower that a config.json describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import Vision
from onecard.fit.shape.reading import listed, section, whole, word


def read_vision(config: Mapping[str, Any]) -> Vision | None:
    """Return the model's vision tower, None for a text model.

    Raises:
        NotModelledError: the weights of this kind of tower are not counted here.
    """
    tower = section(config, "vision_config")
    if tower is None:
        return None
    kind = word(config, "model_type")
    text = section(config, "text_config") or section(config, "llm_config") or config
    if kind in _PLAIN_KINDS:
        return _plain(tower, kind, whole(text, "hidden_size", least=1))
    if kind in {"mistral3", "pixtral"}:
        return _pixtral(config, tower, whole(text, "hidden_size", least=1))
    if kind.startswith(("qwen3_vl", "qwen3_5")):
        return _qwen3(tower)
    if kind == "qwen2_5_vl":
        return _qwen2_5(tower)
    if kind == "gemma3":
        return _siglip(tower, whole(text, "hidden_size"))
    raise NotModelledError(f"config.json: the vision tower of model_type {kind} is not modelled")


# Towers of plain layers: LLaVA's CLIP, InternVL's ViT, Gemma 4's and Llama 4's.
_PLAIN_KINDS = ("llava", "llava_next", "internvl", "internvl_chat", "gemma4", "llama4")
# Tokens of the largest picture: LLaVA-NeXT's five tiles of 576 and its newlines; InternVL's twelve
# tiles of 256 and an overview; Gemma 4's largest budget; Llama 4's sixteen tiles of 144 and one.
_PLAIN_TOKENS = {
    "llava": 576,
    "llava_next": 2928,
    "internvl": 3328,
    "internvl_chat": 3328,
    "gemma4": 1120,
    "llama4": 2448,
}
# 32 frames of 70 tokens and 8 around each (gemma4_mm.py, `get_mm_max_tokens_per_item`).
_GEMMA4_VIDEO = 2496
# Pixels of the largest picture, at 28 or 32 a side of each token (the processors' size).
_QWEN_TOKENS = 16384


def _plain(tower: Mapping[str, Any], kind: str, out: int) -> Vision:
    side = whole(tower, "patch_size", least=1) if type(tower.get("patch_size")) is int else 14
    size = tower.get("image_size")
    across = (size if type(size) is int else 448) // side
    merge = {"internvl": 4, "internvl_chat": 4, "gemma4": 9, "llama4": 4}.get(kind, 1)
    gemma4 = kind == "gemma4"
    # Gemma 4 has a table of positions for each direction.
    table = 2 * whole(tower, "position_embedding_size", 10240)
    return Vision(
        kind="gemma4" if gemma4 else "plain",
        depth=whole(tower, "num_hidden_layers"),
        hidden=whole(tower, "hidden_size"),
        intermediate=whole(tower, "intermediate_size"),
        patch=whole(tower, "num_channels", 3) * side * side,
        out=out,
        positions=table if gemma4 else across * across + 1,
        merge=1 if gemma4 else merge,
        tokens=_PLAIN_TOKENS[kind],
        video_tokens=_GEMMA4_VIDEO if gemma4 else 0,
    )


def _pixtral(config: Mapping[str, Any], tower: Mapping[str, Any], out: int) -> Vision:
    side = whole(tower, "patch_size", least=1)
    merge = whole(config, "spatial_merge_size", 1, least=1)
    across = whole(tower, "image_size") // (side * merge)
    return Vision(
        kind="pixtral",
        depth=whole(tower, "num_hidden_layers"),
        hidden=whole(tower, "hidden_size"),
        intermediate=whole(tower, "intermediate_size"),
        patch=whole(tower, "num_channels", 3) * side * side,
        out=out,
        merge=merge * merge,
        tokens=across * (across + 1),
    )


def _qwen3(tower: Mapping[str, Any]) -> Vision:
    side = whole(tower, "patch_size", least=1)
    merge = whole(tower, "spatial_merge_size", least=1)
    return Vision(
        kind="qwen3",
        depth=whole(tower, "depth"),
        hidden=whole(tower, "hidden_size"),
        intermediate=whole(tower, "intermediate_size"),
        patch=whole(tower, "in_channels", 3) * whole(tower, "temporal_patch_size") * side * side,
        out=whole(tower, "out_hidden_size"),
        positions=whole(tower, "num_position_embeddings"),
        merge=merge * merge,
        mergers=1 + len(listed(tower, "deepstack_visual_indexes")),
        tokens=_QWEN_TOKENS,
    )


def _qwen2_5(tower: Mapping[str, Any]) -> Vision:
    side = whole(tower, "patch_size", least=1)
    merge = whole(tower, "spatial_merge_size", least=1)
    channels = whole(tower, "in_channels", whole(tower, "in_chans", 3))
    return Vision(
        kind="qwen2_5",
        depth=whole(tower, "depth"),
        hidden=whole(tower, "hidden_size"),
        intermediate=whole(tower, "intermediate_size"),
        patch=channels * whole(tower, "temporal_patch_size") * side * side,
        out=whole(tower, "out_hidden_size"),
        merge=merge * merge,
        tokens=_QWEN_TOKENS,
    )


def _siglip(tower: Mapping[str, Any], out: int) -> Vision:
    side = whole(tower, "patch_size", least=1)
    across = whole(tower, "image_size") // side
    return Vision(
        kind="siglip",
        depth=whole(tower, "num_hidden_layers"),
        hidden=whole(tower, "hidden_size"),
        intermediate=whole(tower, "intermediate_size"),
        patch=whole(tower, "num_channels", 3) * side * side,
        out=out,
        positions=across * across,
        tokens=256,
    )
