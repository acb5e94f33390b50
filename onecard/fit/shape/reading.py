"""Read one level of a config.json: a value of the right type, or an error that names the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onecard.fit.shape.errors import NotModelledError

MOST = 2**31 - 1  # larger than any width, count or length of a model
_LONGEST_SHOWN = 60


def section(config: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """Return the object at `key`, None when it is absent or null."""
    found = config.get(key)
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise NotModelledError(f"config.json: {key} is not an object")
    return found


def whole(
    config: Mapping[str, Any],
    key: str,
    default: int | None = None,
    *,
    least: int = 0,
    most: int = MOST,
) -> int:
    """Return the whole number from `least` to `most` at `key`.

    Raises:
        NotModelledError: it is absent without a default, or is not such a number.
    """
    found = config.get(key)
    if found is None:
        found = default
    if found is None:
        raise NotModelledError(f"config.json: {key} is missing, so memory cannot be counted")
    if isinstance(found, bool) or not isinstance(found, int):
        raise NotModelledError(f"config.json: {key} is {_shown(found)}, not a whole number")
    if not least <= found <= most:
        raise NotModelledError(f"config.json: {key} is not a number from {least} to {most:,}")
    return found


def listed(config: Mapping[str, Any], key: str) -> Sequence[Any]:
    """Return the list at `key`, empty when it is absent or null."""
    found = config.get(key)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise NotModelledError(f"config.json: {key} is not a list")
    return found


def word(config: Mapping[str, Any], key: str) -> str:
    """Return the text at `key`, empty when it is absent or null."""
    found = config.get(key)
    if found is not None and not isinstance(found, str):
        raise NotModelledError(f"config.json: {key} is not text")
    return found or ""


def flag(config: Mapping[str, Any], key: str, default: bool = False) -> bool:
    """Return the boolean at `key`."""
    found = config.get(key)
    return default if found is None else bool(found)


def number_bytes(name: object, key: str) -> int:
    """Return the bytes of one number of the type `name` (torch's names)."""
    sizes = {"bfloat16": 2, "float16": 2, "half": 2, "float32": 4, "float": 4, "auto": 2}
    short = str(name).removeprefix("torch.")
    if short not in sizes:
        raise NotModelledError(f"config.json: {key} {_shown(short)} is not modelled")
    # By default vLLM serves float32 checkpoints as bfloat16 or float16, but stores the recurrent
    # state in the type named here: the caller decides.
    return sizes[short]


def _shown(value: object) -> str:
    """Return a value in one short line: the file may contain anything."""
    text = ascii(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
