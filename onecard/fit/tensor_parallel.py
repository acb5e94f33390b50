"""How many cards share a model. Pure.

vLLM's rules: attention heads divide by the number of cards (verify_with_parallel_config in
config/model.py: "Total number of attention heads (40) must be divisible by tensor parallel size
(3)"); key and value heads divide by it, or are copied and it divides by them (total_num_kv_heads in
the model files, such as qwen3.py); so do the heads of linear attention and the widths that
feed-forward layers are cut along (`divide` in model_executor/layers/linear.py). Where a checkpoint
has one scale for each block of weights, a card's share of a width is whole blocks
(validate_fp8_block_shape and validate_fp8_block_shape_moe in quantization/utils/fp8_utils.py: "is
not divisible by weight quantization block_n = 128"). With expert parallelism each routed
expert is on one card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from onecard.errors import PreflightError
from onecard.fit.shape.model_shape import GatedDeltaNet, Mamba2
from onecard.settings.setting_model import AUTO

if TYPE_CHECKING:
    from onecard.fit.shape.model_shape import ModelShape


def obstacle(shape: ModelShape, count: int, *, whole_experts: bool = False) -> str:
    """Return the model's first dimension that this number of cards does not divide, else ''.

    whole_experts: expert parallelism is on: no expert is split.
    """
    if count == 1:
        return ""
    attention, linear = shape.attention, shape.linear
    if attention.heads % count:
        return f"{attention.heads} attention heads"
    if max(attention.kv_heads, count) % min(attention.kv_heads, count):
        return f"{attention.kv_heads} KV heads"
    for heads, what in _recurrent_heads(linear):
        if heads % count:
            return f"{heads} {what}"
    for width, cards, what, module in _widths(shape, count, whole_experts=whole_experts):
        if width % cards:
            return f"{what} of {width:,}"
        block = _block(shape, module)
        if block and width // cards % block:
            return f"{what} of {width:,} in quantisation blocks of {block}"
    return ""


def divides(shape: ModelShape, count: int, *, whole_experts: bool = False) -> bool:
    """Return whether that many cards can share a model."""
    return not obstacle(shape, count, whole_experts=whole_experts)


def choose(
    requested: int | str,
    cards: int,
    shape: ModelShape | None,
    model: str,
    *,
    whole_experts: bool = False,
) -> int:
    """Return how many cards share the model.

    requested: the setting serve.tensor_parallel. cards: the number of available ones.
    shape: None where the model's heads are not known: then `auto` chooses a power of two, which
        divides nearly every model's heads, and a number is accepted unchecked.
    Raises PreflightError for more cards than available, or a number that does not divide the model.
    """
    if requested == AUTO:
        able = range(1, cards + 1)
        if shape is None:
            return max((count for count in able if count & (count - 1) == 0), default=1)
        fitting = (n for n in able if divides(shape, n, whole_experts=whole_experts))
        return max(fitting, default=1)
    count = int(requested)
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
    """Raise PreflightError if the cards do not divide the model, naming the dimension."""
    found = obstacle(shape, count, whole_experts=whole_experts)
    if found:
        able = (n for n in range(1, cards + 1) if divides(shape, n, whole_experts=whole_experts))
        raise PreflightError(
            f"{count} cards do not divide {model} ({found}): set serve.tensor_parallel to one of "
            f"{', '.join(map(str, able))}"
        )


def _recurrent_heads(linear: GatedDeltaNet | Mamba2 | None) -> list[tuple[int, str]]:
    if linear is None:
        return []
    if isinstance(linear, Mamba2):
        return [(linear.heads, "heads of Mamba-2")]
    return [
        (linear.key_heads, "key heads of linear attention"),
        (linear.value_heads, "value heads of linear attention"),
    ]


def _widths(
    shape: ModelShape, count: int, *, whole_experts: bool
) -> Iterator[tuple[int, int, str, str]]:
    """Yield each width that is split, between how many cards, its name, and its module."""
    attention, experts = shape.attention, shape.experts
    layer = "model.language_model.layers.0"
    if shape.feed_forward_layers:
        yield shape.intermediate, count, "a feed-forward width", f"{layer}.mlp.up_proj"
    if experts is not None:
        if not whole_experts:
            yield experts.width, count, "an expert width", f"{layer}.mlp.experts.0.up_proj"
        shared = f"{layer}.mlp.shared_expert.up_proj"
        yield experts.shared, count, "a shared expert's width", shared
    queries = attention.heads * attention.head_dim
    yield queries, count, "an attention width", f"{layer}.self_attn.q_proj"
    if shape.latent is not None:  # the projection to the latent vector is whole on every card
        return
    replicated_over = min(attention.kv_heads, count)
    keys = attention.kv_heads * attention.head_dim
    yield keys, replicated_over, "a key and value width", f"{layer}.self_attn.k_proj"


def _block(shape: ModelShape, module: str) -> int:
    """Return how many numbers share one scale along a module's widths, 0 for none."""
    method = shape.quantization
    if method is None or any(re.search(name, module) for name in method.unquantized):
        return 0
    return method.block


def _cards(count: int) -> str:
    return "1 card" if count == 1 else f"{count} cards"
