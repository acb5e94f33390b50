"""Lines of the variables in an INI source, which Ansible's listing does not have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from onecard.inventory.host_ranges import expand
from onecard.settings.yaml_file import Key

_SECTION = re.compile(r"\[([^:\]]+)(?::(\w+))?\]")
_VARIABLE = re.compile(r"\s*([A-Za-z_]\w*)\s*=")  # in a section of a group's variables
_INLINE = re.compile(r"(?<=\s)([A-Za-z_]\w*)=")  # behind a host


def with_lines(listed: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    """Return a listing whose variables are each a `Key`, with the line that sets it in `text`."""
    of_groups, of_hosts = _lines(text)
    result = {name: dict(body) for name, body in listed.items()}
    for name, body in result.items():
        body["vars"] = _keyed(body.get("vars") or {}, of_groups.get(name, {}))
    hosts = result["all"]["hosts"].items()
    result["all"]["hosts"] = {
        name: _keyed(variables, of_hosts.get(name, {})) for name, variables in hosts
    }
    return result


def _lines(text: str) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """Return group -> variable -> line, and the same of hosts; the last line that sets it."""
    groups: dict[str, dict[str, int]] = {}
    hosts: dict[str, dict[str, int]] = {}
    group, kind = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        section = _SECTION.match(line)
        if section:
            group, kind = section[1], section[2] or "hosts"
        elif kind == "vars":
            variable = _VARIABLE.match(line)
            if variable:
                groups.setdefault(group, {})[variable[1]] = number
        elif kind == "hosts":
            found = dict.fromkeys(_INLINE.findall(line), number)
            for name in _names(line.split()[0]):
                hosts.setdefault(name, {}).update(found)
    return groups, hosts


def _names(pattern: str) -> tuple[str, ...]:
    try:
        return expand(pattern)[0]
    except ValueError:
        return (pattern,)


def _keyed(variables: Mapping[str, Any], lines: Mapping[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in variables.items():
        key = Key(name)
        key.shared = False
        if name in lines:
            key.line = lines[name]
        found[key] = value
    return found
