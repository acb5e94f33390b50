"""The shape of a model: every number of its config.json that memory depends on."""

from __future__ import annotations

from dataclasses import dataclass, field

FULL = "full_attention"
SLIDING = "sliding_attention"
LINEAR = "linear_attention"

GIB = 2**30


@dataclass(frozen=True)
class Attention:
    """Softmax attention of one layer.

    output_gate: the query projection carries a gate of the same width (Qwen3.5).
    bias: the query, key and value projections have biases (Qwen2).
    qk_norm: queries and keys are normalised with one weight a head dimension each.
    """

    heads: int
    kv_heads: int
    head_dim: int
    output_gate: bool = False
    bias: bool = False
    qk_norm: bool = False


@dataclass(frozen=True)
class GatedDeltaNet:
    """A linear-attention layer with a fixed state for each request (Gated DeltaNet).

    state_bytes: bytes of one number of the recurrent state (`mamba_ssm_dtype`).
    """

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int
    state_bytes: int = 4

    @property
    def conv_channels(self) -> int:
        """Channels that the short convolution runs over: queries, keys and values."""
        return 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of the dense feed-forward part of a layer.

    shared: width of the expert that every token takes, 0 for none.
    """

    count: int
    width: int
    shared: int = 0


@dataclass(frozen=True)
class Vision:
    """A vision tower. `kind` names the layout of its weights: qwen3, qwen2_5 or siglip.

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


@dataclass(frozen=True)
class Quantization:
    """How a checkpoint stores its weights.

    bits: bits of one quantised weight. group: weights that share one scale (0: none counted).
    block: numbers along a width, in both directions, that share one scale (0: no blocks).
    kept: patterns of the module names that keep the model's own type, as regular expressions.
    """

    method: str
    bits: int
    group: int = 0
    block: int = 0
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelShape:
    """One model. Widths are in numbers, `dtype_bytes` in bytes a number.

    layers: the kind of each text layer, in order (FULL, SLIDING or LINEAR).
    window: tokens that a sliding layer looks back on, 0 without such layers.
    expert_layers: how many of the layers hold experts.
    norms: normalisation weights a layer, each `hidden` wide.
    mtp_layers: draft layers for multi-token prediction in the checkpoint; vLLM loads them only
        when speculative decoding uses them.
    max_context: tokens that the model itself can take.
    assumptions: what had to be assumed, one sentence each, for the user to read.
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
    linear: GatedDeltaNet | None = None
    experts: Experts | None = None
    expert_layers: int = 0
    vision: Vision | None = None
    mtp_layers: int = 0
    quantization: Quantization | None = None
    assumptions: tuple[str, ...] = field(default=())

    def count(self, kind: str) -> int:
        """How many layers are of this kind."""
        return self.layers.count(kind)
