"""Write a host's new address into the inventory: an edit of lines that leaves all others alone.

A pod that was stopped and started again has another port, and often another address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from onecard.box.atomic_write import write_whole
from onecard.errors import UsageError
from onecard.inventory.load import EXTENSIONS, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from onecard.inventory.load import Inventory

_NAMES = {
    "address": ("ansible_host", "address"),
    "port": ("ansible_port", "port"),
    "user": ("ansible_user", "user"),
}
_FILE = "hosts.yml"


@dataclass(frozen=True)
class Edit:
    """Text for the place between two offsets of a file."""

    begin: int
    end: int
    text: str


def rebind(root: Path, name: str, address: str, port: int, user: str) -> tuple[Path, ...]:
    """Set a host's address, port and login; return the files that were changed.

    root: the inventory folder. user: empty to leave it. A value is changed where it stands, in
    host_vars or hosts.yml, else added to the host's entry. Raises UsageError, with every file as
    it was, where the host has no entry of its own, or the result would not be the wanted one.
    """
    before = load(root)
    if name not in before.hosts:
        raise UsageError(f"--host: {name} is not in the inventory, and has no entry to change")
    wanted = {"address": address, "port": str(port), **({"user": user} if user else {})}
    texts = {path: path.read_text("utf-8") for path in _files(root, name)}
    changed = dict(texts)
    for key, value in wanted.items():
        _set(changed, root / _FILE, name, key, value)
    changed = {path: text for path, text in changed.items() if text != texts[path]}
    try:
        for path, text in changed.items():
            write_whole(path, text)
        _verify(before, load(root), name, wanted)
    except BaseException:
        for path in changed:
            write_whole(path, texts[path])
        raise
    return tuple(changed)


def _files(root: Path, name: str) -> Iterator[Path]:
    """Yield the files in which the host's keys may stand, the ones that win first."""
    for suffix in EXTENSIONS:
        path = root / "host_vars" / f"{name}{suffix}"
        if path.is_file():
            yield path
    yield root / _FILE


def _set(texts: dict[Path, str], hosts: Path, name: str, key: str, value: str) -> None:
    """Set one key in the file that has it, else in the host's entry."""
    for path, text in texts.items():
        block = yaml.compose(text, yaml.SafeLoader) if path != hosts else _entry(text, name)
        for word, node in _pairs(block):
            if word.value in _NAMES[key]:
                edit = Edit(node.start_mark.index, node.end_mark.index, _scalar(value))
                texts[path] = _edited(text, edit)
                return
    texts[hosts] = _edited(texts[hosts], _addition(texts[hosts], name, key, value))


def _entry(text: str, name: str) -> yaml.Node | None:
    """Return the value of the host's key below a `hosts:`. Raises UsageError if there is none."""
    return _host_pair(text, name)[1]


def _host_pair(text: str, name: str) -> tuple[yaml.Node, yaml.Node]:
    found = list(_host_pairs(yaml.compose(text, yaml.SafeLoader), name))
    if not found:
        raise UsageError(
            f"{_FILE}: {name} has no entry of its own there (a range, or another file): write its "
            f"ansible_host and ansible_port into host_vars/{name}.yml"
        )
    return next((pair for pair in found if pair[1].value), found[0])


def _host_pairs(node: yaml.Node | None, name: str) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    for key, value in _pairs(node):
        if key.value == "hosts":
            yield from (pair for pair in _pairs(value) if pair[0].value == name)
        else:
            yield from _host_pairs(value, name)


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _addition(text: str, name: str, key: str, value: str) -> Edit:
    """Return the edit that adds a key to the host's entry."""
    host, block = _host_pair(text, name)
    word = _NAMES[key][0]
    pairs = _pairs(block)
    if pairs and block.flow_style:  # type: ignore[attr-defined]
        at = pairs[0][0].start_mark.index
        return Edit(at, at, f"{word}: {_scalar(value)}, ")
    if pairs:
        first = pairs[0][0].start_mark
        at, blanks = first.index - first.column, " " * first.column
        return Edit(at, at, f"{blanks}{word}: {_scalar(value)}\n")
    end = text.find("\n", host.end_mark.index)
    at = len(text) if end < 0 else end
    blanks = " " * (host.start_mark.column + 2)
    return Edit(at, at, f"\n{blanks}{word}: {_scalar(value)}")


def _scalar(value: str) -> str:
    """Return a value as YAML reads it back: in quotes where it would be something else."""
    plain = yaml.safe_load(value) in (value, int(value) if value.isdecimal() else value)
    return value if plain else f'"{value}"'


def _edited(text: str, edit: Edit) -> str:
    return text[: edit.begin] + edit.text + text[edit.end :]


def _verify(before: Inventory, after: Inventory, name: str, wanted: Mapping[str, str]) -> None:
    """Raise UsageError unless this host's connection changed as wanted, and nothing else."""
    new = after.hosts[name].connection
    others = {host: each for host, each in before.hosts.items() if host != name}
    same = {host: each for host, each in after.hosts.items() if host != name}
    found = {"address": new.address, "port": str(new.port), "user": new.user}
    if others != same or any(found[key] != value for key, value in wanted.items()):
        raise UsageError(
            f"{_FILE}: the entry of {name} could not be changed without another effect; nothing "
            "was written: set ansible_host and ansible_port by hand"
        )
