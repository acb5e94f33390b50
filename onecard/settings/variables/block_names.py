"""Whose variables are in a block: onecard's, by its own names or Ansible's, or other tools'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onecard.settings.variables.ansible_names import (
    GROUP_PRIORITY,
    LIMITED,
    PASSED_OVER,
    SECRETS,
    USED,
)
from onecard.settings.variables.foreign_values import is_foreign
from onecard.settings.variables.variable_names import meant, own_names


@dataclass
class Named:
    """A block's variables.

    values: those that onecard reads, by its names. written: the name in the file of each.
    limited: Ansible's that only some hosts may have. passed_over: names that mean nothing here.
    problems: what is wrong, as (name in the file, message).
    """

    values: dict[str, Any] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    limited: dict[str, Any] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def sort_names(values: Mapping[str, Any]) -> Named:
    """Sort a block's variables by who reads them."""
    found = Named()
    for key, value in values.items():
        name = USED.get(key, key)
        if name in own_names():
            if name in found.values and found.values[name] != value:
                other = found.written[name]
                found.problems.append((key, f"differs from {other}, the same setting; remove one"))
                continue
            found.values[name] = value
            found.written[name] = key
        elif key in LIMITED and not is_foreign(value):
            found.limited[key] = value
        else:
            message = _refusal(key, value)
            if message:
                found.problems.append((key, message))
            else:
                found.passed_over.append(key)
    return found


def _refusal(key: str, value: object) -> str:
    """Return why an unknown variable is an error; "" where it may be another tool's."""
    if key in SECRETS:
        # A vaulted password, or a reference to one, shows nothing.
        return (
            ""
            if is_foreign(value)
            else (
                "passwords are not read from files; enter it at the prompt, "
                f"or set {SECRETS[key]} in the environment"
            )
        )
    if key == GROUP_PRIORITY:
        return "is read only from a group's vars in hosts.yml, as a whole number"
    if key in PASSED_OVER or key in LIMITED:
        return ""
    near = meant(key, value)
    return f'no such setting; did you mean "{near}"?' if near else ""
