"""How many cards share a model. Pure.

vLLM's rules: attention heads divide by the number of cards (verify_with_parallel_config in
config/model.py: "Total number of attention heads (40) must be divisible by tensor parallel size
(3)"); key and value heads divide by it, or are copied and it divides by them (total_num_kv_heads in
the model files, such as qwen3.py); so do the heads of linear attention and the widths that
feed-forward layers are cut along (`divide` in model_executor/layers/linear.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onecard.errors import PreflightError
from onecard.settings import AUTO

if TYPE_CHECKING:
    from onecard.fit.shape import ModelShape


def divides(shape: ModelShape, count: int) -> bool:
    """Tell whether that many cards can share a model."""
    attention, linear, experts = shape.attention, shape.linear, shape.experts
    most, least = max(attention.kv_heads, count), min(attention.kv_heads, count)
    widths = [shape.intermediate if shape.expert_layers < len(shape.layers) else 0]
    if experts is not None:
        widths += [experts.width, experts.shared]
    if linear is not None:
        widths += [linear.value_heads, linear.key_heads]
    return (
        attention.heads % count == 0
        and most % least == 0
        and all(width % count == 0 for width in widths)
    )


def choose(asked: int | str, cards: int, shape: ModelShape | None, model: str) -> int:
    """Return how many cards share the model.

    asked: the setting serve.tensor_parallel. cards: how many there are for it.
    shape: None where the model's heads are not known: then `auto` takes a power of two, which
        nearly every model's heads divide by, and a number is taken at its word.
    Raises PreflightError for a number of cards that is not there or does not divide the model.
    """
    able = [count for count in range(1, cards + 1) if _able(count, shape)]
    if asked == AUTO:
        return max(able, default=1)
    count = int(asked)
    if count > cards:
        raise PreflightError(
            f"serve.tensor_parallel is {count}, and the box has {_cards(cards)} for it: set auto "
            "or a smaller number, or rent more cards"
        )
    if shape is not None and not divides(shape, count):
        numbers = ", ".join(map(str, able))
        raise PreflightError(
            f"serve.tensor_parallel is {count}, which does not divide {model} "
            f"({shape.attention.heads} attention heads): set auto, or one of {numbers}"
        )
    return count


def _able(count: int, shape: ModelShape | None) -> bool:
    return count & (count - 1) == 0 if shape is None else divides(shape, count)


def _cards(count: int) -> str:
    return "1 card" if count == 1 else f"{count} cards"
