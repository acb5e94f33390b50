"""The vision encoder in the profiling run: its own peak, and its outputs that stay cached.

Source: `profile_run` in vLLM v1/worker/gpu_model_runner.py, `compute_mm_encoder_budget` in
v1/core/encoder_cache_manager.py ("Encoder cache will be initialized with a budget of N tokens"),
multimodal/encoder_budget.py.
"""

from __future__ import annotations

from onecard.fit.engine import Engine
from onecard.fit.overhead.part import NOTHING, GibRange
from onecard.fit.shape.model_shape import GIB, ModelShape

# Copies of the hidden state beside the feed-forward part. Between what 16,384 tokens took on an
# H200 (0.25.1) and 153,600 on four RTX 3090 (0.11.0).
_COPIES = 3
_SPREAD = (0.55, 1.4)


def largest_item(shape: ModelShape, engine: Engine) -> int:
    """Return the tokens of the largest picture or video, 0 for a text model."""
    tower = shape.vision
    if tower is None:
        return 0
    if not tower.videos:
        return tower.tokens
    longest = engine.longest_video if tower.kind == "qwen3" else 0
    return max(tower.tokens, tower.video_tokens, longest)


def budget(shape: ModelShape, engine: Engine, batched_tokens: int) -> int:
    """Return the encoder's budget in tokens: one batch, or the largest item if that is more."""
    return max(batched_tokens, largest_item(shape, engine))


def encoder_gib(
    shape: ModelShape, engine: Engine, *, batched_tokens: int, seqs: int, tp: int
) -> tuple[GibRange, GibRange]:
    """Return the GiB while pictures are encoded, and of the outputs that stay cached meanwhile.

    The largest picture counts however short the context is: a start with a context of 4,096 tokens
    was profiled with one of 16,384.
    """
    tower = shape.vision
    if tower is None or not tower.tokens:
        return NOTHING, NOTHING
    item, tokens = largest_item(shape, engine), budget(shape, engine, batched_tokens)
    items = max(min(tokens // item, seqs), 1)
    encoded = items * item
    width = 2 * tower.intermediate / tp + tower.patch + _COPIES * tower.hidden
    working = encoded * tower.merge * width * shape.dtype_bytes / GIB
    # To 0.11 each output was padded to the whole budget.
    cached = items * tokens if engine.pads_encoder_outputs else encoded
    levels = tower.mergers  # DeepStack's features lie beside the last one
    outputs = cached * tower.out * levels * shape.dtype_bytes / GIB
    least, most = _SPREAD
    return (
        GibRange(working + outputs, least * working, most * working + outputs),
        GibRange(outputs, 0.1 * outputs, outputs),
    )
