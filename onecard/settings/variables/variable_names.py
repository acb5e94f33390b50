"""A variable's name: a setting, one that only other tools read, or a setting misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from typing import Final

from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.option import options
from onecard.settings.settings import Settings
from onecard.settings.variables.ansible_names import KNOWN

_NEAR: Final = 0.85  # of difflib; "nginx_port" and "ansible_port" have 0.73


@cache
def own_names() -> frozenset[str]:
    """Return the names at the top level that are ours: connection keys, settings, sections."""
    fields = Settings.model_fields.items()
    return frozenset(
        (*ConnectionKeys.model_fields, *(field.alias or name for name, field in fields))
    )


def meant(name: str, value: object) -> str:
    """Return the setting that a variable of another name was meant for, empty for none.

    A name near to a setting's is meant for it if the value could be its value: `users: [a, b]` is
    no misspelt `user`. A name of one of vLLM's options is meant for that of `serve`.
    """
    plain = name.strip().lower().replace("-", "_")
    if plain.startswith("ansible_"):
        return _nearest(plain, KNOWN)
    near = plain if plain in own_names() else _nearest(plain, own_names())
    if near and _could_be(near, value):
        return near
    return next(
        (each.path for each in options(Settings) if each.vllm and each.path == f"serve.{plain}"), ""
    )


def _nearest(name: str, names: frozenset[str]) -> str:
    found = difflib.get_close_matches(name, names, 1, _NEAR)
    found = found or [each for each in sorted(names) if sorted(each) == sorted(name)]
    return found[0] if found else ""


def _could_be(name: str, value: object) -> bool:
    """Return whether the value is of the setting's kind: a section's mapping, a list, or a text."""
    inside = {
        each.path.rpartition(".")[2]
        for each in options(Settings)
        if each.path.startswith(f"{name}.")
    }
    if inside:
        return not value or (isinstance(value, Mapping) and not inside.isdisjoint(value))
    is_list = any(each.is_list for each in options(Settings) if each.path == name)
    return isinstance(value, list) if is_list else not isinstance(value, (list, Mapping))
