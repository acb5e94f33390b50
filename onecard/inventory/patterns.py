"""Ansible's patterns of hosts: `all:!a100-3`, `gpu:&berlin`, globs, comma lists, `@failed`."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from onecard.errors import UsageError

if TYPE_CHECKING:
    from onecard.inventory.load import Inventory

FAILED: Final = "@failed"


def words_of(pattern: str, source: str) -> list[str]:
    """Return the words of a comma list. Raises UsageError for one that no terminal can show."""
    if not pattern.isprintable():
        raise UsageError(f"{source}: {pattern[:60]!a} names no host: it has a control character")
    return [word.strip() for word in pattern.split(",") if word.strip()]


def matching(
    inventory: Inventory,
    words: Collection[str],
    source: str,
    failed: Callable[[], Collection[str]],
) -> set[str]:
    """Return the names of the hosts that patterns stand for.

    As in Ansible all that is named comes first, then `&` keeps what is also in another, then `!`
    takes away; without a name, from all hosts. failed: returns the hosts of `@failed`. source: the
    flag, for messages. Raises UsageError for a name that stands for nothing.
    """
    parts = [part for word in words for part in _parts(inventory, word)]
    named = [part for part in parts if part[0] not in "!&"]
    found = {name for part in named for name in _named(inventory, part, source, failed)}
    if not named:
        found = set(inventory.hosts)
    for part in parts:
        if part[0] == "&":
            found &= set(_named(inventory, part[1:], source, failed))
    for part in parts:
        if part[0] == "!":
            found -= set(_named(inventory, part[1:], source, failed))
    if not found:
        raise UsageError(f"{source}: {','.join(words)} leaves no host; {known(inventory)}")
    return found


def known(inventory: Inventory) -> str:
    """Return the hosts and groups that there are, for messages."""
    hosts = ", ".join(inventory.hosts) or "none"
    groups = ", ".join(name for name in inventory.groups if inventory.groups[name]) or "none"
    return f"hosts: {hosts}; groups: {groups}"


def _parts(inventory: Inventory, word: str) -> list[str]:
    """Split at colons, except in a host's name, such as an IPv6 address."""
    if word.lstrip("!&") in inventory.hosts:
        return [word]
    return [part for part in word.split(":") if part.strip("!&")]


def _named(
    inventory: Inventory, word: str, source: str, failed: Callable[[], Collection[str]]
) -> Collection[str]:
    if word == FAILED:
        names = failed()
        return [name for name in inventory.hosts if name in names]
    group = inventory.groups.get(word)
    if word in inventory.hosts:
        if group is not None and group != (word,):
            raise UsageError(f"{source}: {word} is a host and a group of others; rename one")
        return (word,)
    if group is not None:
        if not group:
            raise UsageError(f"{source}: group {word} has no hosts; " + known(inventory))
        return group
    matches = [name for name in inventory.hosts if fnmatch.fnmatchcase(name, word)]
    if matches:
        return matches
    near = difflib.get_close_matches(word, [*inventory.hosts, *inventory.groups], 1, 0.5)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    unpin = ", or unpin it with `invoke use -`" if source == "`invoke use`" else ""
    raise UsageError(
        f"{source}: there is no host or group {word}{hint}; {known(inventory)}; "
        f"for a box in no file pass user@address{unpin}"
    )
