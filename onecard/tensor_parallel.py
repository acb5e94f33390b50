"""How many cards share a model. Pure.

vLLM's rules: attention heads divide by the number of cards (verify_with_parallel_config in
config/model.py: "Total number of attention heads (40) must be divisible by tensor parallel size
(3)"); key and value heads divide by it, or are copied and it divides by them (total_num_kv_heads in
the model files, such as qwen3.py); so do the heads of linear attention and the widths that
feed-forward layers are cut along (`divide` in model_executor/layers/linear.py). Where a checkpoint
has one scale for each block of weights, a card's share of a width is whole blocks
(validate_fp8_block_shape and validate_fp8_block_shape_moe in quantization/utils/fp8_utils.py: "is
not divisible by weight quantization block_n = 128"). With expert parallelism the routed experts are
shared out whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from onecard.errors import PreflightError
from onecard.settings import AUTO

if TYPE_CHECKING:
    from onecard.fit.shape import ModelShape


def obstacle(shape: ModelShape, count: int, *, whole_experts: bool = False) -> str:
    """Return the first number of a model that so many cards do not divide, in words, else ''.

    whole_experts: expert parallelism is on: no expert is cut.
    """
    if count == 1:
        return ""
    attention, linear = shape.attention, shape.linear
    if attention.heads % count:
        return f"{attention.heads} attention heads"
    if max(attention.kv_heads, count) % min(attention.kv_heads, count):
        return f"{attention.kv_heads} KV heads"
    if linear is not None and linear.key_heads % count:
        return f"{linear.key_heads} key heads of linear attention"
    if linear is not None and linear.value_heads % count:
        return f"{linear.value_heads} value heads of linear attention"
    for width, cards, what, module in _widths(shape, count, whole_experts=whole_experts):
        if width % cards:
            return f"{what} of {width:,}"
        block = _block(shape, module)
        if block and width // cards % block:
            return f"{what} of {width:,} in quantisation blocks of {block}"
    return ""


def divides(shape: ModelShape, count: int, *, whole_experts: bool = False) -> bool:
    """Tell whether that many cards can share a model."""
    return not obstacle(shape, count, whole_experts=whole_experts)


def choose(
    asked: int | str,
    cards: int,
    shape: ModelShape | None,
    model: str,
    *,
    whole_experts: bool = False,
) -> int:
    """Return how many cards share the model.

    asked: the setting serve.tensor_parallel. cards: how many there are for it.
    shape: None where the model's heads are not known: then `auto` takes a power of two, which
        nearly every model's heads divide by, and a number is taken at its word.
    Raises PreflightError for a number of cards that is not there or does not divide the model.
    """
    if asked == AUTO:
        able = range(1, cards + 1)
        if shape is None:
            return max((count for count in able if count & (count - 1) == 0), default=1)
        fitting = (n for n in able if divides(shape, n, whole_experts=whole_experts))
        return max(fitting, default=1)
    count = int(asked)
    if count > cards:
        raise PreflightError(
            f"serve.tensor_parallel is {count}, and the box has {_cards(cards)} for it: set auto "
            "or a smaller number, or rent more cards"
        )
    if shape is not None:
        refuse_split(count, cards, shape, model, whole_experts=whole_experts)
    return count


def refuse_split(
    count: int, cards: int, shape: ModelShape, model: str, *, whole_experts: bool = False
) -> None:
    """Raise PreflightError, naming the number that so many of the cards do not divide."""
    found = obstacle(shape, count, whole_experts=whole_experts)
    if found:
        able = (n for n in range(1, cards + 1) if divides(shape, n, whole_experts=whole_experts))
        raise PreflightError(
            f"{count} cards do not divide {model} ({found}): set serve.tensor_parallel to one of "
            f"{', '.join(map(str, able))}"
        )


def _widths(
    shape: ModelShape, count: int, *, whole_experts: bool
) -> Iterator[tuple[int, int, str, str]]:
    """Yield each width that is cut, for how many cards, in words, and the module that it is of."""
    attention, experts = shape.attention, shape.experts
    layer = "model.language_model.layers.0"
    if shape.expert_layers < len(shape.layers):
        yield shape.intermediate, count, "a feed-forward width", f"{layer}.mlp.up_proj"
    if experts is not None:
        if not whole_experts:
            yield experts.width, count, "an expert width", f"{layer}.mlp.experts.0.up_proj"
        shared = f"{layer}.mlp.shared_expert.up_proj"
        yield experts.shared, count, "a shared expert's width", shared
    queries = attention.heads * attention.head_dim
    yield queries, count, "an attention width", f"{layer}.self_attn.q_proj"
    copied = min(attention.kv_heads, count)
    keys = attention.kv_heads * attention.head_dim
    yield keys, copied, "a key and value width", f"{layer}.self_attn.k_proj"


def _block(shape: ModelShape, module: str) -> int:
    """Return how many numbers share one scale along a module's widths, 0 for none that do."""
    method = shape.quantization
    if method is None or any(re.search(kept, module) for kept in method.kept):
        return 0
    return method.block


def _cards(count: int) -> str:
    return "1 card" if count == 1 else f"{count} cards"
