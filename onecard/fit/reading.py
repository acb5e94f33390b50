"""Reading one level of a config.json: a value of the right type, or an error that names the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.fit.errors import NotModelledError


def section(config: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """The object below `key`, None when it is absent or null."""
    found = config.get(key)
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise NotModelledError(f"config.json: {key} is not an object")
    return found


def whole(config: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """The positive (or zero) whole number below `key`.

    Raises:
        NotModelledError: it is absent without a default, or is no whole number.
    """
    found = config.get(key)
    if found is None:
        found = default
    if found is None:
        raise NotModelledError(f"config.json: {key} is missing, so memory cannot be counted")
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise NotModelledError(f"config.json: {key} is {found!r}, not a whole number")
    return found


def flag(config: Mapping[str, Any], key: str, default: bool = False) -> bool:
    """The truth value below `key`."""
    found = config.get(key)
    return default if found is None else bool(found)


def number_bytes(name: object, key: str) -> int:
    """Bytes of one number of the type that config.json calls `name` (torch's names)."""
    sizes = {"bfloat16": 2, "float16": 2, "half": 2, "float32": 4, "float": 4, "auto": 2}
    short = str(name).removeprefix("torch.")
    if short not in sizes:
        raise NotModelledError(f"config.json: {key} {short} is not modelled")
    # vLLM serves float32 checkpoints as bfloat16 or float16 unless told otherwise, but keeps
    # the recurrent state at the type named here: the caller decides.
    return sizes[short]
