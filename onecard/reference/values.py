"""A setting's default and allowed values as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from onecard.settings.option import Option
from onecard.settings.token_count import SHORT_FORM


def as_yaml(value: Any) -> str:
    """Return a default as it is written in an inventory file."""
    if isinstance(value, str) and value and yaml.safe_load(value) == value:
        return value
    return json.dumps(value)


def allowed(option: Option) -> str:
    """Return which values a setting may have, in words."""
    return " or ".join(_words(kind) for kind in option.alternatives)


def _words(kind: Mapping[str, Any]) -> str:
    if "enum" in kind:
        return "one of " + ", ".join(f"`{as_yaml(value)}`" for value in kind["enum"])
    if "const" in kind:
        return f"`{kind['const']}`"
    if kind.get("pattern") == SHORT_FORM:
        return "a short form such as `128k` or `1M`"
    named = _NAMES[kind["type"]]
    bounds = [(word, kind[key]) for key, word in _BOUNDS if key in kind]
    return " ".join([named, *(f"{word} {value:g}" for word, value in bounds if value < _ANY)])


_NAMES: Mapping[str, str] = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "`true` or `false`",
    "array": "a list of texts",
    "object": "a mapping",
    "null": "`null`",
}
_ANY = 1e9  # larger bounds are not shown: no value comes near them
_BOUNDS = (
    ("minimum", "from"),
    ("exclusiveMinimum", "above"),
    ("maximum", "to"),
)
