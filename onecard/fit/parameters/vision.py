"""Parameters of vision towers and of their projection into the language model.

Source: vLLM's model files (qwen3_vl.py, qwen2_5_vl.py, siglip.py, clip.py, intern_vit.py,
pixtral.py, mistral3.py, llama4 in mllama4.py, gemma4_vision in gemma4_mm.py).
"""

from __future__ import annotations

from onecard.fit.shape.model_shape import Vision


def vision_parameters(vision: Vision) -> int:
    """Return the parameters of a vision tower and its projection into the language model."""
    if vision.kind == "qwen2_5":
        return _qwen2_5(vision)
    if vision.kind == "qwen3":
        return _qwen3(vision)
    if vision.kind == "pixtral":
        return _pixtral(vision)
    if vision.kind == "gemma4":
        return _gemma4(vision)
    return _plain(vision)


def _attention(hidden: int) -> int:
    return 4 * hidden * hidden + 4 * hidden


def _plain(vision: Vision) -> int:
    """A tower of two-matrix layers with biases: SigLIP, CLIP, InternViT, Llama 4's."""
    hidden, wide = vision.hidden, vision.intermediate
    layer = _attention(hidden) + 2 * hidden * wide + wide + hidden + 4 * hidden
    ends = vision.patch * hidden + hidden + vision.positions * hidden + 2 * hidden
    return vision.depth * layer + ends + _projector(vision)


def _projector(vision: Vision) -> int:
    if vision.kind == "siglip":  # Gemma 3: one matrix and a norm
        return vision.hidden * vision.out + vision.hidden
    merged = vision.hidden * vision.merge
    # LLaVA, InternVL: two matrices, the first from the merged patches.
    return merged * vision.out + vision.out * vision.out + 2 * vision.out + 2 * merged


def _gemma4(vision: Vision) -> int:
    """Gated layers without biases, a table of positions for each direction, one projection."""
    hidden = vision.hidden
    layer = 4 * hidden * hidden + 3 * hidden * vision.intermediate + 4 * hidden
    ends = vision.patch * hidden + vision.positions * hidden
    return vision.depth * layer + ends + hidden * vision.out


def _qwen2_5(vision: Vision) -> int:
    hidden, wide = vision.hidden, vision.intermediate
    merged = hidden * vision.merge
    layer = _attention(hidden) + 3 * hidden * wide + 2 * wide + hidden + 2 * hidden
    merger = hidden + merged * merged + merged + merged * vision.out + vision.out
    return vision.depth * layer + vision.patch * hidden + merger


def _qwen3(vision: Vision) -> int:
    hidden, wide = vision.hidden, vision.intermediate
    merged = hidden * vision.merge
    layer = _attention(hidden) + 2 * hidden * wide + wide + hidden + 4 * hidden
    ends = vision.patch * hidden + hidden + vision.positions * hidden
    merger = merged * merged + merged + merged * vision.out + vision.out
    # The last merger normalises before the patches are merged, a DeepStack one after.
    norms = 2 * hidden + (vision.mergers - 1) * 2 * merged
    return vision.depth * layer + ends + vision.mergers * merger + norms


def _pixtral(vision: Vision) -> int:
    """Pixtral with Mistral 3's projector: gated layers without biases, patches merged by four."""
    hidden, wide = vision.hidden, vision.intermediate
    layer = 4 * hidden * hidden + 3 * hidden * wide + 2 * hidden
    merger = hidden + vision.merge * hidden * hidden
    projector = hidden * vision.out + vision.out * vision.out
    return vision.depth * layer + vision.patch * hidden + hidden + merger + projector
