"""The groups and hosts in the inventory's YAML files, in Ansible's shape, before any merging."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onecard.errors import UsageError
from onecard.inventory.host_ranges import expand
from onecard.settings.layers import Layer, layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALL = "all"
UNGROUPED = "ungrouped"
SECTIONS = ("hosts", "children", "vars")


@dataclass
class Group:
    """A group while its files are read.

    depth: length of the longest path from `all`, which is 0; deeper groups win over higher ones.
    priority: `ansible_group_priority`; of groups at one depth, the higher wins.
    """

    name: str
    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    priority: int = 1
    depth: int = 0


@dataclass
class GroupTree:
    """Every group, and every host with its own blocks of variables, in the files' order."""

    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, list[Layer]] = field(default_factory=dict)

    def members(self, group: str) -> set[str]:
        """Return the names of the hosts in a group and in all groups below it."""
        below, waiting = {group}, [group]
        while waiting:
            children = set(self.groups[waiting.pop()].children) - below
            below |= children
            waiting.extend(children)
        return {host for name in below for host in self.groups[name].hosts}

    def order(self, groups: set[str]) -> list[Group]:
        """Return groups and all above them, the one that wins last."""
        found = set(groups)
        while True:
            above = {g.name for g in self.groups.values() if not found.isdisjoint(g.children)}
            if above <= found:
                break
            found |= above
        return sorted(
            (self.groups[name] for name in found), key=lambda g: (g.depth, g.priority, g.name)
        )


@dataclass(frozen=True)
class _Place:
    """Where in which file something stands, for messages."""

    file: str
    path: str

    def below(self, key: str) -> _Place:
        return _Place(self.file, f"{self.path}.{key}")

    def error(self, message: str) -> UsageError:
        shown = f"{self.path}: {message}"
        return UsageError(f"{self.file}: {shown if shown.isprintable() else ascii(shown)}")


def parse(files: Sequence[tuple[str, Mapping[str, Any]]]) -> GroupTree:
    """Build the tree from files given as (name shown, content), as Ansible builds it from sources.

    Any number of groups may be at the top level. A group or a host may appear several times; the
    last value wins. Raises UsageError with file and path for a wrong shape.
    """
    tree = GroupTree({ALL: Group(ALL), UNGROUPED: Group(UNGROUPED)})
    for file, content in files:
        for name, body in content.items():
            if getattr(name, "shared", False) and not _is_group(body):
                continue  # what other places refer to, such as `common: &common {...}`
            _group(tree, _Place(file, name), name, body)
    _complete(tree)
    _set_depth(tree, ALL, 0, ())
    for group in tree.groups.values():
        if group.depth == 0 and group.name != ALL:  # only a cycle has no path from `all`
            _set_depth(tree, group.name, 0, ())
    return tree


def _is_group(body: object) -> bool:
    return body is None or (isinstance(body, dict) and not body.keys().isdisjoint(SECTIONS))


def _group(tree: GroupTree, place: _Place, name: str, body: object) -> None:
    group = tree.groups.setdefault(name, Group(name))
    for section, content in _mapping(body, place).items():
        here = place.below(section)
        if section not in SECTIONS:
            near = difflib.get_close_matches(section, SECTIONS, n=1)
            hint = f'did you mean "{near[0]}"?' if near else "a group has hosts, children, vars"
            raise here.error(f"no such part of a group; {hint}")
        if section == "vars":
            _variables(group, here, _mapping(content, here))
            continue
        # Ansible takes a single name for a mapping with that one key.
        named = {content: None} if isinstance(content, str) else _mapping(content, here)
        for key, below in named.items():
            if section == "hosts":
                _hosts(tree, group, here.below(key), key, below)
                continue
            if key not in group.children:
                group.children.append(key)
            _group(tree, here.below(key), key, below)


def _variables(group: Group, place: _Place, values: Mapping[str, Any]) -> None:
    values = dict(values)
    priority = values.pop("ansible_group_priority", group.priority)
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise place.below("ansible_group_priority").error("is not a whole number")
    group.priority = priority
    group.layers.append(layer(values, place.file, place.path))


def _hosts(tree: GroupTree, group: Group, place: _Place, pattern: str, body: object) -> None:
    try:
        names, port = expand(pattern)
    except ValueError as error:
        raise place.error(str(error)) from error
    values = dict(_mapping(body, place))
    if port is not None:
        values.setdefault("ansible_port", port)
    block = layer(values, place.file, place.path)
    for name in names:
        tree.hosts.setdefault(name, []).append(block)
        if name not in group.hosts:
            group.hosts.append(name)


def _complete(tree: GroupTree) -> None:
    """Put every top group below `all`, and every host that is in no other group in `ungrouped`."""
    below = {child for group in tree.groups.values() for child in group.children}
    everything = tree.groups[ALL]
    for name in tree.groups:
        if name != ALL and name not in below:
            everything.children.append(name)
    grouped = {
        host
        for group in tree.groups.values()
        if group.name not in (ALL, UNGROUPED)
        for host in group.hosts
    }
    tree.groups[UNGROUPED].hosts = [host for host in tree.hosts if host not in grouped]


def _set_depth(tree: GroupTree, name: str, depth: int, above: tuple[str, ...]) -> None:
    if name in above:
        loop = " -> ".join((*above[above.index(name) :], name))
        raise UsageError(f"the inventory's groups form a cycle: {loop}")
    group = tree.groups[name]
    if 0 < depth <= group.depth:
        return
    group.depth = depth
    for child in group.children:
        _set_depth(tree, child, depth + 1, (*above, name))


def _mapping(value: object, place: _Place) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise place.error("must be a mapping (`name:` lines), not a list or text")
    return value
