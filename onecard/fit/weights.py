"""GiB of weights on each card."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onecard.fit.parameters.part import Part
from onecard.fit.parameters.parts import mtp_parts, parts
from onecard.fit.shape.model_shape import GIB, ModelShape, Quantization
from onecard.fit.shape.quantization import bits_of

# Parts that only the first or the last stage of a pipeline holds: counted whole, as on the fuller.
_ENDS = {"embeddings", "lm_head", "vision"}


@dataclass(frozen=True)
class PartWeight:
    """One part of the weights: parameters of the whole model, GiB on each card.

    stored: it is in the checkpoint; else vLLM makes it while the model loads.
    """

    name: str
    parameters: int
    bits: float
    gib: float
    stored: bool = True


@dataclass(frozen=True)
class Weights:
    """The weights on each card, part by part.

    exact: their sum was read from the checkpoint's headers.
    """

    parts: tuple[PartWeight, ...]
    exact: bool = False

    @property
    def gib(self) -> float:
        """Return the GiB on each card."""
        return sum(part.gib for part in self.parts)

    @property
    def least_gib(self) -> float:
        """Return the least that is loaded: the formulas are at most 0.6 % above logged sizes."""
        return self.gib * (0.998 if self.exact else 0.99 if self._quantised else 0.994)

    @property
    def most_gib(self) -> float:
        """Return the most that is loaded: rotary tables and buffers; padding by 4-bit kernels."""
        return self.gib * (1.05 if self._quantised else 1.004 if self.exact else 1.015)

    @property
    def _quantised(self) -> bool:
        return any(part.bits not in {16.0, 32.0} for part in self.parts)

    @property
    def parameters(self) -> int:
        """Return the parameters of the whole model that are loaded from the checkpoint."""
        return sum(part.parameters for part in self.parts if part.stored)


def weights(
    shape: ModelShape,
    quant: Quantization | None = None,
    *,
    tp: int = 1,
    pp: int = 1,
    mtp: bool = False,
    vision: bool = True,
) -> Weights:
    """Return the weights on each of `tp` cards of the largest of `pp` stages.

    quant: how the weights are stored; None for the model's own type. Embeddings, output head,
        norms, routers, the vision tower and modules that the checkpoint names have that type.
    mtp: the draft layers are loaded too (only when speculative decoding uses them).
    vision: the vision tower is loaded (not with --language-model-only).

    Where the checkpoint's headers were read (`stored_bytes`), the sum is exact, and the formulas
    only say which card holds what.
    """
    loaded = parts(shape) + (mtp_parts(shape) if mtp else ())
    held = tuple(
        _weigh(shape, part, quant, tp, pp) for part in loaded if vision or part.name != "vision"
    )
    if shape.stored_bytes is None:
        return Weights(held)
    stored = [part for part in parts(shape) if part.stored]
    counted = sum(_weigh(replace(shape, vision=None), part, quant, 1, 1).gib for part in stored)
    ratio = shape.stored_bytes / GIB / counted
    read = (replace(part, gib=part.gib * ratio) if part.stored else part for part in held)
    return Weights(tuple(read), exact=True)


def _weigh(
    shape: ModelShape, part: Part, quant: Quantization | None, tp: int, pp: int
) -> PartWeight:
    method = quant if part.quantizable else None
    bits = bits_of(method, part.module, shape.dtype_bytes)
    on_card = (part.parameters - part.whole) / tp + part.whole
    if part.kv_share and tp > shape.attention.kv_heads:
        # Every card holds one whole KV head, so its share shrinks no further.
        on_card += part.kv_share * (1 / shape.attention.kv_heads - 1 / tp)
    if method is not None and method.pad and part.name == "experts" and shape.experts:
        width = shape.experts.width
        on_card *= -(-width // method.pad) * method.pad / width
    if pp > 1 and part.name not in _ENDS:
        layers = len(shape.layers)
        on_card *= -(-layers // pp) / layers
    return PartWeight(part.name, part.parameters, bits, on_card * bits / 8 / GIB, part.stored)
