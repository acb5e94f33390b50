"""The shape of a model: every number of its config.json that its memory depends on."""

from __future__ import annotations

from dataclasses import dataclass, field

FULL = "full_attention"
SLIDING = "sliding_attention"
LINEAR = "linear_attention"
NO_ATTENTION = "no_attention"  # a layer that is a feed-forward part or experts alone (Nemotron-H)

GIB = 2**30


@dataclass(frozen=True)
class Attention:
    """Softmax attention of one layer.

    output_gate: the query projection carries a gate of the same width (Qwen3.5).
    bias: the query, key and value projections have biases (Qwen2).
    output_bias: the output projection has one too (gpt-oss).
    qk_norm: queries and keys are normalised, with one weight for each head dimension.
    keys_are_values: one projection gives both, though the cache holds both (Gemma 4).
    """

    heads: int
    kv_heads: int
    head_dim: int
    output_gate: bool = False
    bias: bool = False
    output_bias: bool = False
    qk_norm: bool = False
    keys_are_values: bool = False

    def token_numbers(self, cards: int) -> int:
        """Return the numbers that one token takes in one layer's cache on each card."""
        return 2 * max(self.kv_heads // cards, 1) * self.head_dim


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention (MLA): the cache holds one latent vector, on every card whole.

    query_rank: width of the compressed queries, 0 where they are not compressed.
    index_heads, index_dim: of the indexer that selects tokens (sparse attention), 0 without.
    """

    query_rank: int
    rank: int
    plain_dim: int
    rope_dim: int
    value_dim: int
    index_heads: int = 0
    index_dim: int = 0

    @property
    def index_bytes(self) -> int:
        """Return the bytes of one token's index key: 8-bit numbers, and a scale for each 128."""
        return self.index_dim + 4 * (self.index_dim // 128)


@dataclass(frozen=True)
class GatedDeltaNet:
    """A linear-attention layer with a fixed state for each request (Gated DeltaNet).

    state_bytes: bytes of one number of the recurrent state (`mamba_ssm_dtype`), 0 where the
        config does not name its type: the engine decides then.
    """

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int
    state_bytes: int = 4

    @property
    def conv_channels(self) -> int:
        """Return the channels of the short convolution: queries, keys and values."""
        return 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim

    @property
    def state_numbers(self) -> int:
        """Return the numbers of the recurrent state."""
        return self.value_heads * self.value_dim * self.key_dim


@dataclass(frozen=True)
class Mamba2:
    """A Mamba-2 layer with a fixed state for each request (Nemotron-H).

    Source: `mamba2_state_shape` in vLLM's model_executor/layers/mamba/mamba_utils.py.
    """

    heads: int
    head_dim: int
    groups: int
    state: int
    kernel: int
    state_bytes: int = 4

    @property
    def width(self) -> int:
        """Return the numbers that the heads have together."""
        return self.heads * self.head_dim

    @property
    def conv_channels(self) -> int:
        """Return the channels of the short convolution: the heads' inputs and two states' worth."""
        return self.width + 2 * self.groups * self.state

    @property
    def state_numbers(self) -> int:
        """Return the numbers of the recurrent state."""
        return self.width * self.state


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of (or, in Gemma 4, beside) a layer's feed-forward part.

    shared: width of the expert that every token passes, 0 for none; `shared_gate`: it has a gate.
    each: experts that one token passes. matrices: of one expert (3; 2 where it has no gate).
    bias: they have biases. beside: the layer has its dense feed-forward part as well.
    """

    count: int
    width: int
    shared: int = 0
    shared_gate: bool = False
    each: int = 8
    matrices: int = 3
    bias: bool = False
    beside: bool = False


@dataclass(frozen=True)
class Vision:
    """A vision tower. `kind` names the layout of its weights (parameters.py).

    tokens: tokens of the largest picture in the language model, 0 where that is not known.
    video_tokens: of the largest video, 0 where a picture is larger. videos: any are taken.
    patch: numbers in one patch (channels x frames x height x width).
    positions: learned position embeddings, 0 for none.
    out: width of what the language model receives.
    merge: patches that become one token, 1 for none.
    mergers: projections into the language model (1, plus one for each DeepStack layer).
    """

    kind: str
    depth: int
    hidden: int
    intermediate: int
    patch: int
    out: int
    positions: int = 0
    merge: int = 1
    mergers: int = 1
    tokens: int = 0
    video_tokens: int = 0
    videos: bool = True


@dataclass(frozen=True)
class Quantization:
    """How a checkpoint stores its weights.

    bits: bits of one quantised weight. group: weights that share one scale (0: none counted).
    scale_bits: bits of that scale, with a zero point where there is one.
    pad: kernels' multiple that experts' widths are padded to, 0 for none.
    others: modules, by regular expression, that are stored otherwise, and the bits of a weight
        with its share of the scales.
    block: numbers along a width, in both directions, that share one scale (0: no blocks).
    unquantized: regular expressions of the names of modules that are not quantised.
    """

    method: str
    bits: int
    group: int = 0
    block: int = 0
    scale_bits: int = 20
    pad: int = 0
    others: tuple[tuple[str, float], ...] = ()
    unquantized: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelShape:
    """One model. Widths are in numbers, `dtype_bytes` in bytes a number.

    layers: the kind of each text layer, in order (FULL, SLIDING or LINEAR).
    window: tokens in the window of a sliding layer, 0 without such layers.
    expert_layers: how many of the layers hold experts.
    norms: normalisation weights a layer, each `hidden` wide.
    dense_layers: how many hold a dense feed-forward part; None for those without experts.
    latent: multi-head latent attention in place of keys and values for each head.
    local: the attention of sliding layers where it differs from the full ones (Gemma 4).
    shared_kv_layers: last layers that read an earlier layer's cache and have none of their own.
    layer_inputs: width of an input that each layer has of its own for each token (Gemma 3n, 4).
    wide_layers: last layers whose feed-forward part has twice the width (Gemma 4 E2B).
    rotary: numbers in the tables of rotary positions, which every card holds whole.
    whole_items: a picture or video is not split between two steps (Gemma 4: attention in both
        directions).
    mtp_layers: draft layers for multi-token prediction in the checkpoint; vLLM loads them only
        when speculative decoding uses them.
    max_context: tokens that the model itself supports.
    stored_bytes: bytes of the checkpoint's tensors without draft layers, where their headers were
        read (safetensors.py).
    assumptions: what was assumed, one sentence each, for the user.
    """

    model_type: str
    vocabulary: int
    hidden: int
    intermediate: int
    layers: tuple[str, ...]
    attention: Attention
    max_context: int
    tied: bool = False
    norms: int = 2
    dtype_bytes: int = 2
    window: int = 0
    linear: GatedDeltaNet | Mamba2 | None = None
    latent: LatentAttention | None = None
    local: Attention | None = None
    shared_kv_layers: int = 0
    layer_inputs: int = 0
    wide_layers: int = 0
    rotary: int = 0
    whole_items: bool = False
    dense_layers: int | None = None
    experts: Experts | None = None
    expert_layers: int = 0
    vision: Vision | None = None
    mtp_layers: int = 0
    quantization: Quantization | None = None
    stored_bytes: int | None = None
    assumptions: tuple[str, ...] = field(default=())

    def count(self, kind: str) -> int:
        """Return the number of layers of this kind."""
        return self.layers.count(kind)

    def cached(self, kind: str) -> int:
        """Return the number of layers of this kind that have a cache of their own."""
        return self.layers[: len(self.layers) - self.shared_kv_layers].count(kind)

    @property
    def feed_forward_layers(self) -> int:
        """Return the number of layers with a dense feed-forward part."""
        if self.dense_layers is not None:
            return self.dense_layers
        return len(self.layers) - self.expert_layers
