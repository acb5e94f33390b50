"""The memory of CUDA graphs, as vLLM estimates it before it sizes the KV cache (from 0.21).

Source: `profile_cudagraph_memory` in vLLM v1/worker/gpu_model_runner.py; sizes from
`_set_cudagraph_sizes` in config/vllm.py. The amounts are fitted to logged estimates: 0.82 GiB (51
graphs of mixed steps and 35 of decode steps) and 1.06 GiB (51 and 51) for Qwen3.5-27B, 0.63 for
Qwen2.5-7B, 0.23 for Llama 3.1 8B on one card.
"""

from __future__ import annotations

from onecard.fit.overhead.part import NOTHING, GibRange
from onecard.fit.shape.model_shape import ModelShape

_MIXED_GIB = 0.295 / 51 / 64  # a graph and layer
_DECODE_GIB = 0.015 / 64
_LARGEST = 512
_SPREAD = (0.3, 2.2)
_LEAST_MOST_GIB = 0.6  # small models have been logged with as much


def graphs_gib(shape: ModelShape, seqs: int, *, taken: bool) -> GibRange:
    """Return the GiB of CUDA graphs. taken: False where none are captured or none counted."""
    if not taken:
        return NOTHING
    largest = min(2 * seqs, _LARGEST)
    layers = len(shape.layers)
    sizes = [1, 2, 4, *range(8, 257, 8), *range(272, _LARGEST + 1, 16)]
    mixed = len([size for size in sizes if size <= largest])
    decode = len([size for size in sizes if size <= min(seqs, _LARGEST)])
    gib = layers * (mixed * _MIXED_GIB + decode * _DECODE_GIB)
    least, most = _SPREAD
    return GibRange(
        gib, least * gib, max(most * gib, min(_LEAST_MOST_GIB, 0.02 * (mixed + decode)))
    )
