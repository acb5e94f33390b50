"""vLLM's default for --max-num-batched-tokens.

Source: `get_batch_defaults` and `_set_default_max_num_seqs_and_batched_tokens_args` in vLLM's
engine/arg_utils.py.
"""

from __future__ import annotations

from onecard.fit.catalogue.gpu import Gpu
from onecard.fit.engine import Engine
from onecard.fit.shape.model_shape import ModelShape

_SMALL, _LARGE = 2048, 8192
_LARGEST_GIB = 160


def default_batched_tokens(
    shape: ModelShape, gpu: Gpu, engine: Engine, *, seqs: int, ctx: int, vision: bool
) -> int:
    """Return the tokens of one step where --max-num-batched-tokens is not given.

    seqs: max_num_seqs. ctx: max_model_len, in tokens. vision: pictures are taken. A model whose
    pictures and videos are not split between steps gets a step that holds its largest.
    """
    tokens = _LARGE if gpu.large else _SMALL
    if gpu.large and gpu.usable_gib >= _LARGEST_GIB:
        tokens = engine.largest_batch
    if shape.whole_items and vision and shape.vision is not None and engine.batch_holds_item:
        tokens = max(tokens, shape.vision.tokens, shape.vision.video_tokens)
    return min(tokens, seqs * ctx)
