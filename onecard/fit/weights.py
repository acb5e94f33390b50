"""GiB of weights on each card."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.fit.parameters import Part, mtp_parts, parts
from onecard.fit.quantization import bits_of
from onecard.fit.shape import GIB, ModelShape, Quantization


@dataclass(frozen=True)
class PartWeight:
    """One part of the weights: parameters of the whole model, GiB on each card."""

    name: str
    parameters: int
    bits: float
    gib: float


@dataclass(frozen=True)
class Weights:
    """The weights on each card, part by part."""

    parts: tuple[PartWeight, ...]

    @property
    def gib(self) -> float:
        """GiB on each card."""
        return sum(part.gib for part in self.parts)

    @property
    def parameters(self) -> int:
        """Parameters of the whole model, as far as they are loaded."""
        return sum(part.parameters for part in self.parts)


def weights(
    shape: ModelShape,
    quant: Quantization | None = None,
    *,
    tp: int = 1,
    mtp: bool = False,
    vision: bool = True,
) -> Weights:
    """What each of `tp` cards holds.

    quant: how the weights are stored; None for the model's own type. Embeddings, output head,
        norms, routers and the vision tower keep that type, and whatever the checkpoint names.
    mtp: the draft layers are loaded too (only when speculative decoding uses them).
    vision: the vision tower is loaded (not with --language-model-only).
    """
    loaded = parts(shape) + (mtp_parts(shape) if mtp else ())
    return Weights(
        tuple(_weigh(shape, part, quant, tp) for part in loaded if vision or part.name != "vision")
    )


def _weigh(shape: ModelShape, part: Part, quant: Quantization | None, tp: int) -> PartWeight:
    method = quant if part.quantizable else None
    bits = bits_of(method, part.module, shape.dtype_bytes)
    on_card = part.parameters / tp
    if part.kv_share and tp > shape.attention.kv_heads:
        # Every card holds one whole KV head, so its share shrinks no further.
        on_card += part.kv_share * (1 / shape.attention.kv_heads - 1 / tp)
    return PartWeight(part.name, part.parameters, bits, on_card * bits / 8 / GIB)
