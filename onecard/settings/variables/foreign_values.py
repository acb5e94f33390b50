"""Values that Ansible alone can evaluate: templates, and texts encrypted with its vault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from onecard.settings.yaml_file import ForeignValue, UnsafeText

if TYPE_CHECKING:
    from onecard.settings.setting_errors import Location

_TEMPLATE = ("{{", "{%")


class DecryptedText(str):
    """A text that was encrypted with Ansible Vault; it is never shown."""


def foreign_values(values: Mapping[str, Any]) -> dict[Location, Any]:
    """Return path -> value of each; a list with one in it is one as a whole."""
    found: dict[Location, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= {(key, *inner): each for inner, each in foreign_values(value).items()}
        elif is_foreign(value):
            found[key,] = value
    return found


def is_foreign(value: object) -> bool:
    """Return whether a value, or one in it, is a template, a vaulted text, or no plain value."""
    if isinstance(value, Mapping):
        return any(map(is_foreign, value.values()))
    if isinstance(value, list):
        return any(map(is_foreign, value))
    return isinstance(value, ForeignValue) or is_template(value)


def is_template(value: object) -> bool:
    """Return whether a value is a text that Ansible expands."""
    final = (ForeignValue, DecryptedText, UnsafeText)
    plain = isinstance(value, str) and not isinstance(value, final)
    return plain and any(mark in str(value) for mark in _TEMPLATE)


def refusal_of(value: object) -> str:
    """Return why a value is not a setting for Ansible either, such as a date; else ""."""
    if isinstance(value, list):
        return next(filter(None, map(refusal_of, value)), "")
    if isinstance(value, ForeignValue) and not value.is_vaulted:
        return value.refusal
    return ""


def without(value: Any, locations: Collection[Location]) -> Any:
    """Return a value without what is at some paths in it."""
    if not isinstance(value, Mapping) or not locations:
        return value
    return {
        key: without(each, {at[1:] for at in locations if at[0] == key})
        for key, each in value.items()
        if (key,) not in locations
    }


def replaced(value: Any, values: Mapping[Location, Any]) -> Any:
    """Return a value with those at some paths replaced; keys keep their lines."""
    if () in values:
        return values[()]
    if not isinstance(value, Mapping) or not values:
        return value
    return {
        key: replaced(each, {at[1:]: new for at, new in values.items() if at[0] == key})
        for key, each in value.items()
    }
