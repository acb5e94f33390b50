"""vLLM's layout of a model's KV cache: groups of layers, pages, blocks of a request.

Source: vLLM v1/core/kv_cache_utils.py (`_get_kv_cache_groups_uniform_page_size`,
`unify_kv_cache_spec_page_size`, `get_max_concurrency_for_kv_cache_config`),
v1/kv_cache_interface.py and platforms/interface.py (`_align_hybrid_block_size`). Checked against
the logged figures of scoreboard.yml.
"""

from __future__ import annotations

from dataclasses import dataclass

from onecard.fit.engine import Engine
from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import FULL, LINEAR, SLIDING, ModelShape

# From here on vLLM pads the smaller kind of layer instead of splitting the larger one.
_NEARLY_EQUAL = 1.5


@dataclass(frozen=True)
class Layout:
    """The KV cache of one model on each card.

    block_tokens: tokens of one block of a full-attention layer.
    sliding_block_tokens: of a sliding layer: more or fewer where a token takes less or more there,
        so that every page has the same size.
    page_bytes: bytes of one block in one layer.
    group_layers: layers that share one block table; a block takes that many pages.
    full_groups, sliding_groups, linear_groups: block tables of each kind.
    state_bytes: bytes of one recurrent state, 0 without such layers.
    token_bytes: bytes that one token takes in one full-attention layer.
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
    sliding_block_tokens: int

    @property
    def groups(self) -> int:
        """Return the number of block tables of a request."""
        return self.full_groups + self.sliding_groups + self.linear_groups

    @property
    def smallest_block(self) -> int:
        """Return the tokens of the smallest block, by which old builds log the cache's size."""
        sizes = [self.block_tokens] * bool(self.full_groups or self.linear_groups)
        return min([*sizes, *[self.sliding_block_tokens] * bool(self.sliding_groups)])

    @property
    def block_bytes(self) -> int:
        """Return the bytes of one block in the pool."""
        return self.page_bytes * self.group_layers

    @property
    def bytes_per_token(self) -> int:
        """Return the bytes of one more token in all full-attention layers together."""
        return self.token_bytes * self.attention_layers

    def blocks(self, available_bytes: int) -> int:
        """Return the number of blocks in a pool of that many bytes."""
        return max(available_bytes, 0) // self.block_bytes

    def fixed_blocks(self) -> int:
        """Return the blocks of a request that do not depend on its length."""
        return self.linear_groups * self.state_blocks

    def request_blocks(self, tokens: int) -> int:
        """Return the number of blocks of one request of that many tokens."""
        sliding = _ceil(min(self.sliding_tokens, tokens), self.sliding_block_tokens) + 1
        full = _ceil(tokens, self.block_tokens)
        return full * self.full_groups + sliding * self.sliding_groups + self.fixed_blocks()

    def largest_request(self, blocks: int) -> int:
        """Return the tokens of the longest request in that many usable blocks, 0 for none."""
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
        return max(blocks // self.sliding_groups - 1, 0) * self.sliding_block_tokens


def layout(
    shape: ModelShape,
    engine: Engine,
    *,
    tp: int = 1,
    pp: int = 1,
    kv_bytes: int = 2,
    kernel_block: int = 16,
    batched_tokens: int = 2048,
    draft_tokens: int = 0,
    state_bytes: int = 2,
) -> Layout:
    """Return the layout on each of `tp` cards, of the stage of a pipeline with the most layers.

    kv_bytes: bytes of one number in the KV cache (1 for fp8).
    kernel_block: tokens of a block, or of the smallest that the attention kernel takes where a
        recurrent state needs a larger one.
    batched_tokens: max_num_batched_tokens. draft_tokens: tokens drafted by speculative decoding.
    state_bytes: bytes of a number of the recurrent state where the model does not name its type.
    """
    full, sliding, linear = (_on_stage(shape.cached(k), pp) for k in (FULL, SLIDING, LINEAR))
    if draft_tokens:
        full += shape.mtp_layers
    token = _token_bytes(shape, tp, kv_bytes)
    local = (shape.local or shape.attention).token_numbers(tp) * kv_bytes
    state = _state_bytes(shape, tp, draft_tokens, state_bytes)
    block = kernel_block * max(_ceil(state, kernel_block * token), 1)
    page, window_block = block * token, block
    if sliding and local != token:
        block, window_block = _same_pages(kernel_block, token, local)
        page = block * token
    size = _group_size([count for count in (full, sliding, linear) if count])
    return Layout(
        block_tokens=block,
        page_bytes=page,
        group_layers=size,
        full_groups=_ceil(full, size),
        sliding_groups=_ceil(sliding, size),
        linear_groups=_ceil(linear, size),
        state_bytes=state,
        token_bytes=token,
        attention_layers=full,
        state_blocks=engine.state_blocks + draft_tokens,
        sliding_tokens=max(shape.window - 1 + engine.batches_in_flight * batched_tokens, 0),
        sliding_block_tokens=window_block,
    )


def _token_bytes(shape: ModelShape, tp: int, kv_bytes: int) -> int:
    """Return the bytes of one token in one full-attention layer on each card.

    A latent vector is whole on every card. With an indexer, an 8-bit latent has its scales beside
    it (656 bytes: "fp8_ds_mla" in vLLM v1/kv_cache_interface.py), and its index key is in a layer
    of its own whose blocks lie beside the attention layer's.
    """
    latent = shape.latent
    if latent is None:
        return shape.attention.token_numbers(tp) * kv_bytes
    numbers = latent.rank + latent.rope_dim
    if latent.index_dim and kv_bytes == 1:
        return latent.rank + 4 * (latent.rank // 128) + 2 * latent.rope_dim + latent.index_bytes
    return numbers * kv_bytes + latent.index_bytes


def _same_pages(kernel_block: int, full: int, local: int) -> tuple[int, int]:
    """Return the tokens of a full and of a sliding block, whose pages have the same size."""
    small, large = sorted((full, local))
    if large % small:
        raise NotModelledError(
            f"a token takes {full} bytes in a full layer and {local} in a sliding one: pages of "
            "sizes that do not divide each other are not modelled"
        )
    more = kernel_block * (large // small)
    return (more, kernel_block) if full < local else (kernel_block, more)


def _state_bytes(shape: ModelShape, tp: int, draft_tokens: int, default: int) -> int:
    """Return the bytes of one layer's and request's convolution inputs and recurrent state."""
    linear = shape.linear
    if linear is None:
        return 0
    conv = linear.conv_channels // tp * (linear.kernel - 1 + draft_tokens) * shape.dtype_bytes
    return conv + linear.state_numbers // tp * (linear.state_bytes or default)


def _on_stage(layers: int, pp: int) -> int:
    """Return the layers of the largest of `pp` stages."""
    return _ceil(layers, pp)


def _group_size(counts: list[int]) -> int:
    """Return the layers in a group: the smaller count, or the larger when they hardly differ."""
    least, most = min(counts), max(counts)
    return most if most < least * _NEARLY_EQUAL else least


def _ceil(value: int, by: int) -> int:
    return -(-value // by)
