"""Quote values for the files and command lines that are written: one function for each target.

Each returns `Quoted` text, the only kind that a template may emit (render.py). Text with a control
character, a line separator or half a surrogate pair is refused for every target: no target needs
one, and a line break could inject a line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

_PLAIN_UNIT_WORD: Final = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_PLAIN_NGINX_WORD: Final = re.compile(r"[\w@%+=:,./\[\]-]+", re.ASCII)
_HAPROXY_WORD: Final = re.compile(r"[\w.:\[\]/@-]+", re.ASCII)
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Quoted(str):
    """Text that is quoted for its target."""

    __slots__ = ()


class UnfitError(ValueError):
    """A value that a target cannot represent. value: the value; the message never shows it."""

    def __init__(self, value: object, message: str) -> None:
        super().__init__(message)
        self.value = value


def is_one_line(text: str) -> bool:
    """Return whether text has only printable characters and spaces."""
    return text.isprintable()


def number(value: object) -> Quoted:
    """Return a whole or decimal number."""
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnfitError(value, "is not a number")
    return Quoted(text)


def unit_value(value: object) -> Quoted:
    """Return the value after `KEY=` in a unit, which systemd reads verbatim (systemd.syntax(7)).

    `%` begins a specifier (systemd.unit(5)); a backslash at the end would continue the line; a
    space after it prevents that, and systemd strips it.
    """
    text = _one_line(value).replace("%", "%%")
    return Quoted(f"{text} " if text.endswith("\\") else text)


def unit_word(value: object) -> Quoted:
    """Return one word of ExecStart= and the like (systemd.service(5), COMMAND LINES)."""
    return _unit_quotes(_one_line(value).replace("%", "%%").replace("$", "$$"))


def unit_words(values: Iterable[object]) -> Quoted:
    """Return a command line for ExecStart= and the like."""
    return Quoted(" ".join(unit_word(value) for value in values))


def unit_variable(value: object, name: str) -> Quoted:
    """Return `NAME=VALUE` for Environment=, where `$` is not special (systemd.exec(5))."""
    return _unit_quotes(f"{identifier(name)}={_one_line(value)}".replace("%", "%%"))


def file_value(value: object) -> Quoted:
    """Return a variable's value in an EnvironmentFile= (systemd.exec(5))."""
    return Quoted('"' + re.sub(r'([\\"$`])', r"\\\1", _one_line(value)) + '"')


def identifier(value: object) -> Quoted:
    """Return the name of an environment variable."""
    text = str(value)
    if not _VARIABLE_NAME.fullmatch(text):
        raise UnfitError(value, "is not the name of an environment variable")
    return Quoted(text)


def shell_word(value: object) -> Quoted:
    """Return one word of a shell's command line."""
    return Quoted(shlex.quote(_one_line(value)))


def nginx_word(value: object) -> Quoted:
    """Return one parameter of an nginx directive. `$` is refused: nginx has no escape for it."""
    text = _one_line(value)
    if "$" in text:
        raise UnfitError(value, "holds $, which nginx parses as a variable")
    if _PLAIN_NGINX_WORD.fullmatch(text):
        return Quoted(text)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return Quoted(f'"{escaped}"')


def haproxy_word(value: object) -> Quoted:
    """Return one word of HAProxy's configuration, as it is: names and addresses have no quoting."""
    text = _one_line(value)
    if not _HAPROXY_WORD.fullmatch(text):
        raise UnfitError(value, "holds a character that HAProxy takes in no name")
    return Quoted(text)


def apt_string(value: object) -> Quoted:
    """Return a string of apt.conf(5), which has no escape for its quotes."""
    text = _one_line(value)
    if '"' in text or "\\" in text:
        raise UnfitError(value, "holds a quote or backslash, which apt's configuration cannot")
    return Quoted(f'"{text}"')


def _one_line(value: object) -> str:
    text = str(value)
    if not is_one_line(text):
        raise UnfitError(value, "holds a control character or a line break")
    return text


def _unit_quotes(text: str) -> Quoted:
    if _PLAIN_UNIT_WORD.fullmatch(text):
        return Quoted(text)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return Quoted(f'"{escaped}"')
