"""The inventory: Ansible's YAML files in, typed and checked hosts out.

    inventory/hosts.yml                groups, hosts, their vars
    inventory/sandbox.yml              the same, written by the sandbox
    inventory/group_vars/NAME.yml      or a folder NAME/ with several files
    inventory/host_vars/NAME.yml       likewise

Which value wins is Ansible's rule, weakest first: vars of `all`, then of the other groups, in the
inventory files; group_vars/all; group_vars of the others; the host's vars in the inventory files;
host_vars. Among groups a child beats its parents, at one depth the higher ansible_group_priority,
then the later name. The one difference is that mappings merge deeply (see layers.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from onecard.errors import UsageError
from onecard.host import Host
from onecard.inventory_file import ALL, UNGROUPED, Group, Tree, parse
from onecard.layers import Layer, layer, merge
from onecard.setting_errors import raise_first
from onecard.yaml_file import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILES = ("hosts.yml", "sandbox.yml")
EXTENSIONS = ("", ".yml", ".yaml", ".json")
RENTAL_GROUP = "gpu"


@dataclass(frozen=True)
class Inventory:
    """Every host, checked.

    hosts: by name, in the files' order.
    groups: the names of each group's hosts, those of its children included, in the same order. A
        group without hosts is there with (); `ungrouped` only if it has any.
    rental: what a box in no file becomes: `all`'s settings, and group `gpu`'s if it is there.
    root: the inventory folder, absolute.
    """

    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]
    rental: Host
    root: Path


def load(root: Path) -> Inventory:
    """Read and check the inventory folder `root`; absent files are empty.

    Raises UsageError, in one line with file and path to the key, for the first thing wrong, and
    says how many more there are. Every file is checked, those of groups without hosts too.
    """
    root = root.resolve()
    files = [
        (_shown(root, root / name), read(root / name, _shown(root, root / name)))
        for name in FILES
        if (root / name).exists()
    ]
    tree = parse(files)
    group_vars = _folder(root, "group_vars", tree.groups)
    host_vars = _folder(root, "host_vars", tree.hosts)
    everything = [
        *(block for group in tree.groups.values() for block in group.layers),
        *(block for blocks in tree.hosts.values() for block in blocks),
        *(block for blocks in (*group_vars.values(), *host_vars.values()) for block in blocks),
    ]
    # A block that stands for a range of hosts is there once for each.
    raise_first(list(dict.fromkeys(line for block in everything for line in block.problems)))

    hosts = {}
    direct: dict[str, set[str]] = {name: {ALL} for name in tree.hosts}
    for group in tree.groups.values():
        for name in group.hosts:
            direct[name].add(group.name)
    for name, own in tree.hosts.items():
        ranked = tree.order(direct[name])
        blocks = [*_group_layers(ranked, group_vars), *own, *host_vars.get(name, ())]
        hosts[name] = _host(name, ranked, blocks, root)
    ranked = tree.order({ALL, RENTAL_GROUP} & tree.groups.keys())
    rental = _host(RENTAL_GROUP, ranked, _group_layers(ranked, group_vars), root)
    return Inventory(MappingProxyType(hosts), _members(tree), rental, root)


def _group_layers(ranked: list[Group], group_vars: Mapping[str, list[Layer]]) -> list[Layer]:
    """Return the groups' blocks, weakest first; `ranked` begins with `all`."""
    in_files = [block for group in ranked for block in group.layers]
    return in_files + [block for group in ranked for block in group_vars.get(group.name, ())]


def _host(name: str, ranked: list[Group], blocks: list[Layer], root: Path) -> Host:
    keys, settings = merge(blocks)
    groups = tuple(group.name for group in ranked if group.name != ALL)
    return Host(name, keys.connection(name, root.parent), settings, groups)


def _members(tree: Tree) -> Mapping[str, tuple[str, ...]]:
    groups = {}
    for name in tree.groups:
        inside = tree.members(name)
        if inside or name != UNGROUPED:
            groups[name] = tuple(host for host in tree.hosts if host in inside)
    return MappingProxyType(groups)


def _folder(root: Path, kind: str, known: Iterable[str]) -> dict[str, list[Layer]]:
    """Read group_vars or host_vars: the blocks of each name, a folder's files in their order."""
    found: dict[str, list[Layer]] = {}
    taken: dict[str, Path] = {}
    for path in _entries(root / kind):
        # A host's name may hold a dot; another file with a foreign ending, a README, is no concern.
        whole = path.is_dir() or path.name in known
        if not whole and path.suffix not in EXTENSIONS:
            continue
        name = path.name if whole else path.stem
        if name in taken:
            both = f"{_shown(root, taken[name])} and {_shown(root, path)}"
            raise UsageError(f"{both}: two places for the variables of {name}; keep one")
        taken[name] = path
        files = _files_below(path) if path.is_dir() else [path]
        found[name] = [
            layer(read(file, _shown(root, file)), _shown(root, file), "") for file in files
        ]
    return found


def _files_below(folder: Path) -> list[Path]:
    """Return a folder's files in the order in which Ansible merges them."""
    files: list[Path] = []
    for path in _entries(folder):
        if path.is_dir():
            files.extend(_files_below(path))
        elif path.suffix in EXTENSIONS:
            files.append(path)
    return files


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    names = (path for path in folder.iterdir() if path.name[0] != "." and path.name[-1] != "~")
    return sorted(names, key=lambda path: path.name)


def _shown(root: Path, path: Path) -> str:
    return str(path.relative_to(root.parent))
