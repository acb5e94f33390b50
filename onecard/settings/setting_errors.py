"""pydantic's errors about settings as plain messages, one line each."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from onecard.errors import UsageError
from onecard.settings.setting_model import REFUSED
from onecard.settings.settings import Settings
from onecard.settings.variables.variable_names import own_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

Location = tuple["str | int", ...]

_LONGEST_VALUE = 60

_NOT_A = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "model_type": "a mapping of settings",
    "model_attributes_type": "a mapping of settings",
}
_BOUNDS = {
    "greater_than": ("gt", "is not more than"),
    "greater_than_equal": ("ge", "is less than"),
    "less_than": ("lt", "is not less than"),
    "less_than_equal": ("le", "is more than"),
}


def explain(error: ValidationError, *, alone: bool = False) -> list[tuple[Location, str]]:
    """Return each error as (path to the key, message); a value is shown, cut to 60 characters.

    alone: leave out errors about several keys together, which may come from other blocks. A key
    that allows several types has one message, which names them all.
    """
    messages: dict[Location, str] = {}
    for finding in error.errors(include_url=False):
        if alone and _is_about_several(finding):
            continue
        location, message = _without_tags(finding["loc"]), _message(finding)
        if location not in messages:
            messages[location] = message
        elif " is not " in messages[location] and " is not " in message:
            # Another type that the setting allows.
            messages[location] += f" or {message.partition(' is not ')[2]}"
    return list(messages.items())


def _without_tags(location: Location) -> Location:
    """Return a location without the names that pydantic gives to the types in a union."""
    return tuple(
        part
        for part in location
        if not (
            isinstance(part, str)
            and part.startswith(("constrained-", "literal[", "dict[", "function-"))
        )
    )


def _is_about_several(finding: ErrorDetails) -> bool:
    value = finding["input"]
    return finding["type"] in {"value_error", "assertion_error"} and isinstance(
        value, (dict, BaseModel)
    )


def raise_first(problems: Sequence[str]) -> None:
    """Raise UsageError with the first problem and the number of further ones, if there is any."""
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UsageError(problems[0] + more)


def dotted(location: Location) -> str:
    """Return `serve.extra_args[0]` for ("serve", "extra_args", 0)."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            # A setting's key is short; any other is arbitrary text.
            shown = part if part.isprintable() and len(part) <= _LONGEST_VALUE else _show(part)
            text += f".{shown}" if text else shown
    return text


def _message(finding: ErrorDetails) -> str:
    kind, value, context = finding["type"], finding["input"], finding.get("ctx", {})
    if kind == "extra_forbidden":
        return "no such setting" + _suggestion(finding["loc"])
    if kind == REFUSED:
        return finding["msg"]
    if kind in _NOT_A:
        if value is None:
            return f"has no value; it must be {_NOT_A[kind]}"
        quotes = isinstance(value, (int, float)) and kind == "string_type"
        return f"{_show(value)} is not {_NOT_A[kind]}" + ("; put it in quotes" if quotes else "")
    if kind in _BOUNDS:
        key, comparison = _BOUNDS[kind]
        return f"{_show(value)} {comparison} {context[key]}"
    if kind == "literal_error":
        return f"{_show(value)} is not {str(context['expected']).replace(chr(39), '')}"
    if kind == "string_pattern_mismatch":
        return f"{_show(value)} is not allowed here; it must match {context['pattern']}"
    message = finding["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message if isinstance(value, (dict, BaseModel)) else f"{_show(value)}: {message}"


def _show(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
        if not text.isprintable():  # a terminal would interpret it, or fail
            text = json.dumps(value, default=str)
    except (ValueError, RecursionError):  # Python writes no number of more than 4300 digits
        return "the value"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _suggestion(location: Location) -> str:
    """Return the nearest valid name, also when the key belongs one level deeper or higher."""
    key, parents = str(location[-1]), location[:-1]
    everywhere = _paths(Settings)
    prefix = dotted(parents) + "." if parents else ""
    here = [path[len(prefix) :] for path in everywhere if path.startswith(prefix)]
    here = [name for name in here if "." not in name] + ([] if parents else sorted(own_names()))
    moved = [path for path in everywhere if path.rpartition(".")[2] == key]
    near = difflib.get_close_matches(key, here, n=1) or moved
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; valid here: {', '.join(here)}" if parents else "; see inventory/group_vars/all.yml"


def _paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    paths: list[str] = []
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        paths.append(path)
        inner: Any = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            paths.extend(_paths(inner, path + "."))
    return paths
