"""The quantisation of a checkpoint, and the modules that are not quantised."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from onecard.errors import UsageError
from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import Quantization
from onecard.fit.shape.reading import listed, section, whole, word

# The methods that --quant names, with their defaults.
_PLAIN = {
    "fp8": Quantization("fp8", bits=8),
    "int8": Quantization("int8", bits=8),
    "gptq": Quantization("gptq", bits=4, group=128),
    "awq": Quantization("awq", bits=4, group=128),
    "int4": Quantization("int4", bits=4, group=128),
    "nvfp4": Quantization("nvfp4", bits=4, group=16, scale_bits=8),
    # Padded to 256 (quantization/mxfp4.py): logged 13.47 and 64.38 GiB for gpt-oss.
    "mxfp4": Quantization("mxfp4", bits=4, group=32, scale_bits=8, pad=256),
}
QUANTIZATIONS = frozenset(_PLAIN)
_MOST_BLOCK = 65_536
# A 16-bit scale and a 4-bit zero point for each group, unless the method says otherwise.
_GROUPED = {"gptq", "awq", "auto-round", "auto_round", "intel/auto-round"}


def quantization_named(name: str) -> Quantization | None:
    """Return the method that `--quant` names; None for `none` and `bf16`.

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
    """Parse the `quantization_config` of a config.json; None when there is none.

    Raises:
        NotModelledError: the method is not modelled.
    """
    if not config:
        return None
    method = word(config, "quant_method")
    if method == "fp8":
        unquantized = _names(listed(config, "modules_to_not_convert"))
        return Quantization(
            "fp8", bits=8, block=_block(config, "weight_block_size"), unquantized=unquantized
        )
    if method == "mxfp4":
        unquantized = _names(listed(config, "modules_to_not_convert"))
        # Without a list only the experts are quantised (quantization/mxfp4.py).
        return replace(
            _PLAIN["mxfp4"], unquantized=unquantized or ("self_attn", "embed", "lm_head")
        )
    if method in {"modelopt", "modelopt_fp4"}:
        return _modelopt(config)
    if method in _GROUPED:
        unquantized = _names(listed(config, "modules_to_not_convert")) + _dynamic(
            section(config, "dynamic") or {}
        )
        bits = whole(config, "bits", whole(config, "w_bit", 4))
        return Quantization(
            method, bits=bits, group=whole(config, "group_size", 128), unquantized=unquantized
        )
    if method == "compressed-tensors":
        return _compressed(config)
    raise NotModelledError(f"config.json: quant_method {method or 'unset'} is not modelled")


def bits_of(quantization: Quantization | None, module: str, dtype_bytes: int) -> float:
    """Return the bits of one weight of the module in memory, with its share of the scales."""
    plain = 8.0 * dtype_bytes
    if quantization is None or any(re.search(name, module) for name in quantization.unquantized):
        return plain
    for name, bits in quantization.others:
        if re.search(name, module):
            return bits
    extra = quantization.scale_bits / quantization.group if quantization.group else 0.0
    return quantization.bits + extra


def _compressed(config: Mapping[str, Any]) -> Quantization:
    """One group of weights for all modules, and others for modules that are named."""
    groups = (section(config, "config_groups") or {}).values()
    plain: Quantization | None = None
    others = []
    for group in groups:
        if not isinstance(group, Mapping) or "num_bits" not in (section(group, "weights") or {}):
            raise NotModelledError("config.json: compressed-tensors with a group without weights")
        found = _compressed_group(section(group, "weights") or {})
        targets = [str(name) for name in listed(group, "targets")]
        if plain is None and (not targets or "Linear" in targets or len(groups) == 1):
            plain = found
        else:
            others += [(name, bits_of(found, "", 2)) for name in _targets(targets)]
    if plain is None:
        raise NotModelledError("config.json: compressed-tensors without a group for all modules")
    unquantized = _targets([str(name) for name in listed(config, "ignore")])
    return replace(plain, others=tuple(others), unquantized=unquantized)


def _compressed_group(weights: Mapping[str, Any]) -> Quantization:
    bits, group = whole(weights, "num_bits"), whole(weights, "group_size", 0)
    # NVFP4: 4-bit floats with an 8-bit scale for each 16.
    scale = 8 if bits == 4 and word(weights, "type") == "float" else 20
    return Quantization(
        "compressed-tensors",
        bits=bits,
        group=group,
        block=_block(weights, "block_structure"),
        scale_bits=scale,
    )


def _modelopt(config: Mapping[str, Any]) -> Quantization:
    algorithm = word(config, "quant_algo").upper()
    names = [str(n) for n in (*listed(config, "exclude_modules"), *listed(config, "ignore"))]
    # Shell patterns such as `model.layers.*.self_attn*`.
    unquantized = tuple(fnmatch.translate(name).replace("(?s:", "(?:") for name in names)
    unquantized = tuple(name.removesuffix(r"\Z").removesuffix(r"\z") for name in unquantized)
    if algorithm in {"NVFP4", "NVFP4_AWQ", "W4A16_NVFP4"}:
        return replace(_PLAIN["nvfp4"], method="modelopt", unquantized=unquantized)
    if algorithm in {"FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO"}:
        return Quantization("modelopt", bits=8, unquantized=unquantized)
    raise NotModelledError(f"config.json: quant_algo {algorithm or 'unset'} is not modelled")


def _targets(names: Sequence[str]) -> tuple[str, ...]:
    """Return names as regular expressions; after "re:" an entry is one already."""
    return tuple(
        _pattern(n.removeprefix("re:")) if n.startswith("re:") else re.escape(n) for n in names
    )


def _block(config: Mapping[str, Any], key: str) -> int:
    """Return the number that widths must be a multiple of, from `[rows, columns]`; 0 for none."""
    sizes = listed(config, key)
    if any(type(size) is not int or not 1 <= size <= _MOST_BLOCK for size in sizes):
        raise NotModelledError(f"config.json: {key} is not a list of sizes up to {_MOST_BLOCK:,}")
    return math.lcm(*sizes) if sizes else 0


def _names(names: Sequence[Any]) -> tuple[str, ...]:
    return tuple(re.escape(str(name)) for name in names)


def _dynamic(rules: Mapping[str, Any]) -> tuple[str, ...]:
    # GPTQModel's rules: modules that match "-:pattern" are not quantised.
    return tuple(_pattern(str(rule)[2:]) for rule in rules if str(rule).startswith("-:"))


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise NotModelledError(f"config.json: no regular expression: {text[:60]!a}") from None
    return text
