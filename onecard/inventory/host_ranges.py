"""The names that one key under `hosts:` stands for, expanded as Ansible expands them."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAXIMUM_HOSTS = 10_000

_BRACKETED_PORT = re.compile(r"^\[(.+)\]:([0-9]+)$")
_PORT = re.compile(r"^((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)$")
_NAME = re.compile(r"[\w:][\w.:-]{0,199}")  # it names files too


def expand(pattern: str) -> tuple[tuple[str, ...], int | None]:
    """Return the host names and the port that `pattern` stands for.

    `node[01:03]` is node01, node02, node03; `[a:c]`, a step (`[1:9:2]`) and several ranges work;
    `name:2222` and `[address]:2222` set the port. The rules are those of Ansible's YAML inventory
    plugin (ansible-core, plugins/inventory/__init__.py and parsing/utils/addresses.py).
    Raises ValueError with a message for an invalid range or name.
    """
    port: int | None = None
    match = _BRACKETED_PORT.match(pattern) or _PORT.match(pattern)
    if match:
        pattern, port = match.group(1), int(match.group(2))
    names = _expand(pattern)
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f'"{name[:201]}" is not a host name (letters, digits, . _ - : inside; at most 200)'
            )
    return names, port


def _expand(pattern: str) -> tuple[str, ...]:
    if "[" not in pattern:
        return (pattern,)
    head, _, rest = pattern.partition("[")
    inside, closed, tail = rest.partition("]")
    if not closed:
        raise ValueError(f'the range in "{pattern}" has no closing bracket')
    names: list[str] = []
    for element in _elements(inside):
        names.extend(_expand(f"{head}{element}{tail}"))
        if len(names) > MAXIMUM_HOSTS:
            raise ValueError(f'"{pattern}" stands for more than {MAXIMUM_HOSTS} hosts')
    return tuple(names)


def _elements(inside: str) -> Sequence[str]:
    match = re.fullmatch(r"([0-9]{0,9}|[a-zA-Z]):([0-9]{1,9}|[a-zA-Z])(?::([0-9]{1,9}))?", inside)
    if not match:
        raise ValueError(f'the range "[{inside}]" is not [begin:end] or [begin:end:step]')
    begin, end, step = match.group(1) or "0", match.group(2), int(match.group(3) or 1)
    if step == 0 or begin.isdigit() != end.isdigit():
        raise ValueError(f'the range "[{inside}]" has no step, or mixes letters and numbers')
    if not begin.isdigit():
        letters = string.ascii_letters
        elements = list(letters[letters.index(begin) : letters.index(end) + 1 : step])
    else:
        width = len(begin) if begin[0] == "0" and len(begin) > 1 else 0
        if width and width != len(end):
            raise ValueError(f'begin and end of the range "[{inside}]" differ in length')
        numbers = range(int(begin), int(end) + 1, step)
        if len(numbers) > MAXIMUM_HOSTS:
            raise ValueError(f'the range "[{inside}]" stands for more than {MAXIMUM_HOSTS} hosts')
        elements = [str(number).zfill(width) for number in numbers]
    if not elements:
        raise ValueError(f'the range "[{inside}]" ends before it begins')
    return elements
