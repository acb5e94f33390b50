"""Load the inventory: Ansible's files in, typed and validated hosts out.

    inventory/hosts.yml, hosts.ini ...  groups, hosts, their vars (sources.py)
    inventory/sandbox.yml               the same, written by the sandbox
    inventory/group_vars/NAME.yml       or a folder NAME/ with several files
    inventory/host_vars/NAME.yml        likewise

Which value wins is Ansible's rule, weakest first: vars of `all`, then of the other groups, in the
inventory files; group_vars/all; group_vars of the others; the host's vars in the inventory files;
host_vars. Among groups a child beats its parents, at one depth the higher ansible_group_priority,
then the later name. The one difference is that mappings merge deeply (see layers.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from onecard.errors import UsageError
from onecard.inventory.evaluation import Evaluated, evaluated, unevaluated
from onecard.inventory.groups import ALL, UNGROUPED, Group, GroupTree, parse
from onecard.inventory.host import Host
from onecard.inventory.origins import host_of
from onecard.inventory.sources import find_sources, read_sources, read_variables
from onecard.settings.layers import Layer, Origin, layer, refusal
from onecard.settings.setting_errors import raise_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

EXTENSIONS = ("", ".yml", ".yaml", ".json")
RENTAL_GROUP = "gpu"


@dataclass(frozen=True)
class Inventory:
    """Every host, validated.

    hosts: by name, in the files' order.
    groups: the names of each group's hosts, those of its children included, in the same order. A
        group without hosts is listed with (); `ungrouped` only if it has any.
    rental: the template of a box in no file: `all`'s settings, and group `gpu`'s if it exists.
    root: the inventory folder, absolute.
    passed_over: variables that mean nothing to onecard, each with the first place that sets it.
    """

    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]
    rental: Host
    root: Path
    passed_over: Mapping[str, Origin]


def load(path: Path) -> Inventory:
    """Read and check an inventory: a folder, or one source in its folder; absent files are empty.

    Raises UsageError, in one line with file and path to the key, for the first error, with the
    number of further ones. Every file is checked, those of groups without hosts too. A host that
    Ansible has no values for, or that is reached otherwise than by SSH, has a `refusal`.
    """
    path = path.resolve()
    root = path if path.is_dir() else path.parent
    sources = find_sources(path)
    tree = parse(read_sources(sources, lambda each: _shown(root, each)))
    group_vars = _folder(root, "group_vars", tree.groups)
    host_vars = _folder(root, "host_vars", tree.hosts)
    everything = [
        *(block for group in tree.groups.values() for block in group.layers),
        *(block for blocks in tree.hosts.values() for block in blocks),
        *(block for blocks in (*group_vars.values(), *host_vars.values()) for block in blocks),
    ]
    # The block of a range of hosts appears once for each of them.
    raise_first(list(dict.fromkeys(line for block in everything for line in block.problems)))

    direct: dict[str, set[str]] = {name: {ALL} for name in tree.hosts}
    for group in tree.groups.values():
        for name in group.hosts:
            direct[name].add(group.name)
    ranked = {name: tree.order(direct[name]) for name in tree.hosts}
    blocks = {
        name: [*_group_layers(ranked[name], group_vars), *own, *host_vars.get(name, ())]
        for name, own in tree.hosts.items()
    }
    hosts = {
        name: _host(name, ranked[name], found, root)
        for name, found in evaluated(blocks, sources).items()
    }
    above = tree.order({ALL, RENTAL_GROUP} & tree.groups.keys())
    of_rental = tuple(_group_layers(above, group_vars))
    rental = _host(RENTAL_GROUP, above, Evaluated(of_rental, unevaluated(of_rental)), root)
    return Inventory(
        MappingProxyType(hosts), _members(tree), rental, root, _passed_over(everything)
    )


def _passed_over(blocks: Iterable[Layer]) -> Mapping[str, Origin]:
    found: dict[str, Origin] = {}
    for block in blocks:
        for name in block.named.passed_over:
            found.setdefault(name, block.source_of((name,)))
    return MappingProxyType(found)


def _group_layers(ranked: list[Group], group_vars: Mapping[str, list[Layer]]) -> list[Layer]:
    """Return the groups' blocks, weakest first; `ranked` begins with `all`."""
    in_files = [block for group in ranked for block in group.layers]
    return in_files + [block for group in ranked for block in group_vars.get(group.name, ())]


def _host(name: str, ranked: list[Group], found: Evaluated, root: Path) -> Host:
    groups = tuple(group.name for group in ranked if group.name != ALL)
    try:
        host = host_of(name, found.layers, root.parent)
    except UsageError as error:
        if not found.refusal:
            raise
        return replace(host_of(name, (), root.parent), groups=groups, refusal=error.message)
    return replace(host, groups=groups, refusal=found.refusal or refusal(found.layers))


def _members(tree: GroupTree) -> Mapping[str, tuple[str, ...]]:
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
        # A host's name may contain a dot. Other files, such as a README, are ignored.
        whole = path.is_dir() or path.name in known
        if not whole and path.suffix not in EXTENSIONS:
            continue
        name = path.name if whole else path.stem
        if name in taken:
            both = f"{_shown(root, taken[name])} and {_shown(root, path)}"
            raise UsageError(f"{both}: both hold the variables of {name}; remove one")
        taken[name] = path
        files = _files_below(path) if path.is_dir() else [path]
        found[name] = [
            layer(read_variables(file, _shown(root, file)), _shown(root, file), "")
            for file in files
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
