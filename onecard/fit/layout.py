"""How vLLM lays a model's KV cache out: groups of layers, pages, blocks a request.

Source: vLLM v1/core/kv_cache_utils.py (`_get_kv_cache_groups_uniform_page_size`,
`get_max_concurrency_for_kv_cache_config`), v1/kv_cache_interface.py and
platforms/interface.py (`_align_hybrid_block_size`). Checked against logs of real starts on a
GPU (0.25.1) and a CPU (0.32.0).
"""

from __future__ import annotations

from dataclasses import dataclass

from onecard.fit.engine import Engine
from onecard.fit.shape import FULL, LINEAR, SLIDING, ModelShape

# From here on vLLM pads the smaller kind of layer instead of splitting the larger one.
_NEARLY_EQUAL = 1.5


@dataclass(frozen=True)
class Layout:
    """The KV cache of one model on each card.

    block_tokens: tokens of one block of an attention layer.
    page_bytes: bytes of one block in one layer.
    group_layers: layers that share one block table; a block takes that many pages.
    full_groups, sliding_groups, linear_groups: block tables of each kind.
    state_bytes: bytes of one Gated DeltaNet state, 0 without such layers.
    token_bytes: bytes that one token takes in one attention layer.
    attention_layers: layers of full attention.
    """

    block_tokens: int
    page_bytes: int
    group_layers: int
    full_groups: int
    sliding_groups: int
    linear_groups: int
    state_bytes: int
    token_bytes: int
    attention_layers: int
    state_blocks: int
    sliding_tokens: int

    @property
    def groups(self) -> int:
        """Block tables of a request."""
        return self.full_groups + self.sliding_groups + self.linear_groups

    @property
    def block_bytes(self) -> int:
        """Bytes that one block takes from the pool."""
        return self.page_bytes * self.group_layers

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one more token takes in all full-attention layers together."""
        return self.token_bytes * self.attention_layers

    def blocks(self, available_bytes: int) -> int:
        """Blocks in a pool of that many bytes."""
        return max(available_bytes, 0) // self.block_bytes

    def fixed_blocks(self) -> int:
        """Blocks of a request that do not depend on its length."""
        return self.linear_groups * self.state_blocks

    def request_blocks(self, tokens: int) -> int:
        """Blocks that one request of that many tokens takes."""
        sliding = _ceil(min(self.sliding_tokens, tokens), self.block_tokens) + 1
        full = _ceil(tokens, self.block_tokens)
        return full * self.full_groups + sliding * self.sliding_groups + self.fixed_blocks()

    def largest_request(self, blocks: int) -> int:
        """Tokens of the longest request that fits into that many usable blocks, 0 for none."""
        if not self.full_groups:
            # Sliding layers alone take the same blocks however long the request is.
            return self._largest_sliding(blocks)
        low, high = 0, max(blocks, 0) // self.full_groups
        while low < high:
            middle = (low + high + 1) // 2
            if self.request_blocks(middle * self.block_tokens) <= blocks:
                low = middle
            else:
                high = middle - 1
        return low * self.block_tokens

    def _largest_sliding(self, blocks: int) -> int:
        whole = self.request_blocks(self.sliding_tokens)
        if blocks >= whole:
            return 2**31
        return max(blocks // self.sliding_groups - 1, 0) * self.block_tokens


def layout(
    shape: ModelShape,
    engine: Engine,
    *,
    tp: int = 1,
    kv_bytes: int = 2,
    kernel_block: int = 16,
    batched_tokens: int = 2048,
    draft_tokens: int = 0,
) -> Layout:
    """The layout on each of `tp` cards.

    kv_bytes: bytes of one number in the KV cache (1 for fp8).
    kernel_block: tokens of the smallest block the attention kernel takes (16 on a GPU, 128 on a
        CPU).
    batched_tokens: max_num_batched_tokens. draft_tokens: tokens drafted by speculative decoding.
    """
    attention = shape.attention
    heads = max(attention.kv_heads // tp, 1)
    token = 2 * heads * attention.head_dim * kv_bytes
    state = _state_bytes(shape, tp, draft_tokens)
    block = kernel_block * max(_ceil(state, kernel_block * token), 1)
    full, sliding = shape.count(FULL), shape.count(SLIDING)
    if draft_tokens:
        full += shape.mtp_layers
    linear = shape.count(LINEAR)
    size = _group_size([count for count in (full, sliding, linear) if count])
    return Layout(
        block_tokens=block,
        page_bytes=block * token,
        group_layers=size,
        full_groups=_ceil(full, size),
        sliding_groups=_ceil(sliding, size),
        linear_groups=_ceil(linear, size),
        state_bytes=state,
        token_bytes=token,
        attention_layers=full,
        state_blocks=engine.state_blocks + draft_tokens,
        sliding_tokens=max(shape.window - 1 + engine.batches_in_flight * batched_tokens, 0),
    )


def _state_bytes(shape: ModelShape, tp: int, draft_tokens: int) -> int:
    """Bytes of the convolution's last inputs and the recurrent state of one layer and request."""
    linear = shape.linear
    if linear is None:
        return 0
    conv = linear.conv_channels // tp * (linear.kernel - 1 + draft_tokens) * shape.dtype_bytes
    state = linear.value_heads // tp * linear.value_dim * linear.key_dim * linear.state_bytes
    return conv + state


def _group_size(counts: list[int]) -> int:
    """Layers in a group: the rarer kind's count, or the larger count when they hardly differ."""
    least, most = min(counts), max(counts)
    return most if most < least * _NEARLY_EQUAL else least


def _ceil(value: int, by: int) -> int:
    return -(-value // by)
