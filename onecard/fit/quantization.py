"""How a checkpoint is quantised, and which of its modules are not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from onecard.errors import UsageError
from onecard.fit.errors import NotModelledError
from onecard.fit.reading import whole
from onecard.fit.shape import Quantization

# What these methods leave alone when a config says nothing else; the names of --quant.
_PLAIN = {
    "fp8": Quantization("fp8", bits=8),
    "int8": Quantization("int8", bits=8),
    "gptq": Quantization("gptq", bits=4, group=128),
    "awq": Quantization("awq", bits=4, group=128),
    "int4": Quantization("int4", bits=4, group=128),
}
QUANTIZATIONS = frozenset(_PLAIN)
_SCALE_AND_ZERO_BITS = 20  # a 16-bit scale and a 4-bit zero point for each group


def quantization_named(name: str) -> Quantization | None:
    """The method that `--quant` names; None for `none` and `bf16`.

    Raises:
        UsageError: the name is unknown.
    """
    if name in {"none", "bf16", "bfloat16"}:
        return None
    if name not in _PLAIN:
        known = ", ".join([*_PLAIN, "none"])
        raise UsageError(f"--quant {name} is unknown: use one of {known}")
    return _PLAIN[name]


def read_quantization(config: Mapping[str, Any] | None) -> Quantization | None:
    """The `quantization_config` of a config.json; None when there is none.

    Raises:
        NotModelledError: the method is not modelled.
    """
    if not config:
        return None
    method = str(config.get("quant_method", ""))
    if method == "fp8":
        kept = _names(config.get("modules_to_not_convert"))
        return Quantization("fp8", bits=8, block=_block(config.get("weight_block_size")), kept=kept)
    if method in {"gptq", "awq"}:
        kept = _names(config.get("modules_to_not_convert")) + _dynamic(config.get("dynamic"))
        bits = whole(config, "bits", whole(config, "w_bit", 4))
        return Quantization(method, bits=bits, group=whole(config, "group_size", 128), kept=kept)
    if method == "compressed-tensors":
        return _compressed(config)
    raise NotModelledError(f"config.json: quant_method {method or 'unset'} is not modelled")


def bits_of(quantization: Quantization | None, module: str, dtype_bytes: int) -> float:
    """Bits that one weight of the module takes in memory, its share of the scales included."""
    plain = 8.0 * dtype_bytes
    if quantization is None or any(re.search(kept, module) for kept in quantization.kept):
        return plain
    extra = _SCALE_AND_ZERO_BITS / quantization.group if quantization.group else 0.0
    return quantization.bits + extra


def _compressed(config: Mapping[str, Any]) -> Quantization:
    groups = list((config.get("config_groups") or {}).values())
    weights = [group.get("weights") or {} for group in groups if isinstance(group, Mapping)]
    if len(weights) != 1 or "num_bits" not in weights[0]:
        raise NotModelledError("config.json: compressed-tensors with other than one weight group")
    ignored = tuple(str(name) for name in config.get("ignore") or ())
    # An entry is a name, or a regular expression after "re:".
    kept = tuple(n.removeprefix("re:") if n.startswith("re:") else re.escape(n) for n in ignored)
    return Quantization(
        "compressed-tensors",
        bits=whole(weights[0], "num_bits"),
        group=whole(weights[0], "group_size", 0),
        block=_block(weights[0].get("block_structure")),
        kept=kept,
    )


def _block(sizes: Any) -> int:
    """The number that a width has to be a multiple of, of a `[rows, columns]` block; 0 for none."""
    return math.lcm(*sizes) if sizes else 0


def _names(names: Any) -> tuple[str, ...]:
    return tuple(re.escape(str(name)) for name in names or ())


def _dynamic(rules: Any) -> tuple[str, ...]:
    # GPTQModel's rules: "-:pattern" keeps what the pattern matches as it is.
    return tuple(str(rule)[2:] for rule in rules or () if str(rule).startswith("-:"))
