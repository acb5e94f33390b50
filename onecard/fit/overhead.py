"""What a start takes beside weights and KV cache: an estimate, with its band.

Calibrated on two real starts of Qwen3.5-27B on one H200 held to 71.3 GiB (vLLM 0.25.1): with
max_num_seqs 256 and max_num_batched_tokens 2048 the log left 17.21 GiB for the KV cache, with
1024 and 8192 it left 14.98 GiB; CUDA graphs were estimated at 0.82 and 1.06 GiB. An older build
on an A100-80GB, which did not set graphs aside, left 18.3 GiB of the same budget.
"""

from __future__ import annotations

from dataclasses import dataclass

from onecard.fit.gpu import Gpu
from onecard.fit.shape import GIB, ModelShape

# CUDA context, libraries and kernels' workspaces: what the first calibration run leaves over when
# the parts below are taken off. The CPU's is measured: a start of a model of a few MiB.
_CONTEXT_GIB = 0.43
_CPU_CONTEXT_GIB = 0.78
_CARDS_EXTRA_GIB = 0.5  # communication buffers between cards; not measured

_ENCODER_TOKENS = 16384  # "Encoder cache will be initialized with a budget of 16384 tokens"
_LOGIT_BYTES = 6  # a logit as the model computes it (2 bytes) and as float32
_REFERENCE_LAYERS = 64
_PIECEWISE_GIB = 0.295 / 51  # 51 graphs and 35: 0.82 GiB; 51 and 51: 1.06 GiB
_FULL_GIB = 0.24 / 16
_PIECEWISE_GRAPHS = 51

_BAND_GIB = 0.5
_BAND_SHARE = 0.2


@dataclass(frozen=True)
class Overhead:
    """GiB on each card, and how far the sum may be off in either direction (`band`)."""

    context: float
    forward: float
    sampler: float
    vision: float
    graphs: float

    @property
    def gib(self) -> float:
        """GiB altogether."""
        return self.context + self.forward + self.sampler + self.vision + self.graphs

    @property
    def band(self) -> float:
        """GiB that the estimate may be off; two builds on one card differed by 1.1 of 3.0."""
        return _BAND_GIB + _BAND_SHARE * self.gib


def overhead(
    shape: ModelShape,
    gpu: Gpu,
    *,
    tp: int,
    max_num_seqs: int,
    max_num_batched_tokens: int,
    graphs: bool = True,
    vision: bool = True,
) -> Overhead:
    """The estimate for each of `tp` cards. graphs: CUDA graphs are captured and set aside."""
    if gpu.cpu:
        return Overhead(_CPU_CONTEXT_GIB, 0.0, 0.0, 0.0, 0.0)
    return Overhead(
        context=_CONTEXT_GIB + (_CARDS_EXTRA_GIB if tp > 1 else 0.0),
        forward=max_num_batched_tokens * _forward_bytes(shape, tp) / GIB,
        sampler=max_num_seqs * shape.vocabulary * _LOGIT_BYTES / GIB,
        vision=_vision_bytes(shape) / GIB if vision else 0.0,
        graphs=_graphs_gib(shape, max_num_seqs) if graphs else 0.0,
    )


def _forward_bytes(shape: ModelShape, tp: int) -> int:
    """Bytes that the widest layer's intermediate values take for one token."""
    widths = [shape.intermediate if shape.expert_layers < len(shape.layers) else 0]
    if shape.experts is not None:
        # Every token passes through several experts at once; eight or ten in these models.
        widths.append(10 * shape.experts.width)
    return shape.dtype_bytes * (3 * max(widths) // tp + 4 * shape.hidden)


def _vision_bytes(shape: ModelShape) -> int:
    """Bytes while the largest image is encoded, and of the cached outputs."""
    tower = shape.vision
    if tower is None:
        return 0
    patches = _ENCODER_TOKENS * tower.merge if tower.merge > 1 else tower.positions
    working = patches * (tower.intermediate + 3 * tower.hidden)
    return shape.dtype_bytes * (working + _ENCODER_TOKENS * tower.out)


def _graphs_gib(shape: ModelShape, max_num_seqs: int) -> float:
    """Graphs of whole decode steps, one for each batch size vLLM captures (1, 2, 4, every 8 up
    to 256, every 16 up to 512), and 51 of pieces of mixed steps."""
    sizes: list[int] = [1, 2, 4, *range(8, 257, 8), *range(272, 513, 16)]
    whole = len([size for size in sizes if size <= max_num_seqs])
    scale: float = len(shape.layers) / _REFERENCE_LAYERS
    return scale * (_PIECEWISE_GRAPHS * _PIECEWISE_GIB + whole * _FULL_GIB)
