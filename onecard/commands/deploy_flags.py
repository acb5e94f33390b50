"""The flags of `invoke deploy` as settings: each is the setting of `serve` with its name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from onecard.errors import UsageError
from onecard.settings import ServeSettings

_OF_THE_MODEL: Final[Mapping[str, str]] = {"model": "model.source", "served_name": "model.name"}


def flags(given: Mapping[str, Any]) -> dict[str, tuple[str, object]]:
    """Return `--flag` -> (path of the setting, its value, None when not given).

    given: the task's parameters; those that are no settings are left out.
    Raises UsageError for arguments whose quotes do not close.
    """
    settings = ServeSettings.model_fields
    found: dict[str, tuple[str, object]] = {}
    for name, value in given.items():
        if name not in settings and name not in _OF_THE_MODEL:
            continue
        path = _OF_THE_MODEL.get(name, f"serve.{name}")
        if name == "extra_args" and value is not None:
            value = _words(value)  # noqa: PLW2901
        found[f"--{name.replace('_', '-')}"] = (path, value)
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--extra-args: {error} in {text}") from None


def words(flags: Mapping[str, tuple[str, object]]) -> tuple[str, ...]:
    """Return the flags that were given as the command line's words, one a flag: `--ctx=65536`."""
    return tuple(_word(flag, value) for flag, (_, value) in flags.items() if value is not None)


def _word(flag: str, value: object) -> str:
    if isinstance(value, bool):
        return flag if value else f"--no-{flag.removeprefix('--')}"
    return f"{flag}={shlex.join(value) if isinstance(value, list) else value}"
