"""The values of `-e`/`--set KEY.PATH=VALUE`, typed as the settings are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from onecard.errors import UsageError
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.option import Option, options
from onecard.settings.settings import Settings
from onecard.settings.variables.ansible_names import USED
from onecard.settings.variables.variable_names import meant, own_names
from onecard.settings.yaml_file import parse_value

FLAG: Final = "--set"
_LONGEST: Final = 10_000  # characters; YAML takes 10 s for the longest word of a command line
_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_][\w-]*)*")


def read_settings(words: Iterable[str]) -> Mapping[str, Any]:
    """Return the values as one block of variables, a later one winning. Raises UsageError."""
    found: dict[str, Any] = {}
    for key, text in _pairs(words):
        *parents, name = key.split(".")
        section = found
        for parent in parents:
            below = section.get(parent)
            if not isinstance(below, dict):
                below = section[parent] = {}
            section = below
        section[name] = _value(key, text)
    return found


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        if len(word) > _LONGEST:
            raise UsageError(
                f"{FLAG}: {word[:40]!a}... is longer than {_LONGEST:,} characters; set it in a file"
            )
        if not word.isprintable():
            raise UsageError(f"{FLAG}: {word[:60]!a} has a control character")
        for each in _split(word):
            key, equals, text = each.partition("=")
            if not equals or not _KEY.fullmatch(key):
                raise UsageError(f'{FLAG}: "{word}" is not KEY.PATH=VALUE, such as serve.ctx=65536')
            if key.partition(".")[0] not in own_names() and key not in USED:
                # An unknown name in a file may be another tool's; here it is a mistake.
                raise UsageError(f"{FLAG}: {key}: {_unknown(key)}")
            yield key, text


def _split(word: str) -> list[str]:
    """Split `address=203.0.113.9 port=22`, as Ansible does; a value with blanks stays whole."""
    try:
        parts = shlex.split(word)
    except ValueError:
        return [word]
    names = [part.partition("=") for part in parts]
    known = own_names() | USED.keys()
    if all(equals and key.partition(".")[0] in known for key, equals, _ in names):
        return parts or [word]
    return [word]


def _unknown(key: str) -> str:
    near = meant(key.partition(".")[0], None)
    hint = f'; did you mean "{near}"?' if near else "; see `invoke settings`"
    return f"no such setting{hint}"


def _value(key: str, text: str) -> Any:
    """Return the text where the setting is one; else what it is as YAML."""
    option = _option(key)
    if option is not None and _is_text(option, key):
        return text
    return parse_value(text.encode("utf-8", "surrogateescape"), f"{FLAG}: {key}")


def _option(key: str) -> Option | None:
    """Return the setting at a path, or the one that holds a value at that path."""
    path = USED.get(key, key)
    for option in (*options(Settings), *options(ConnectionKeys)):
        if path == option.path or path.startswith(f"{option.path}."):
            return option
    return None


def _is_text(option: Option, key: str) -> bool:
    schemas = [kind for kind in option.alternatives if kind.get("type") != "null"]
    if USED.get(key, key) != option.path:  # a value in it, such as an environment variable
        schemas = [dict(kind.get("additionalProperties") or {}) for kind in schemas]
    return all(kind.get("type") == "string" for kind in schemas)
