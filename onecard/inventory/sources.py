"""The files that an inventory is made of, and what each holds.

YAML, and JSON, is read here. INI files, programs and plugins (`plugin: ...`) are Ansible's, and
texts encrypted with its vault: they need ansible-core, the extra `ansible` of this project.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from onecard.errors import UsageError
from onecard.inventory import ansible
from onecard.inventory.groups import GroupTree, parse
from onecard.inventory.ini_lines import with_lines
from onecard.settings.layers import Layer
from onecard.settings.yaml_file import VAULT_HEAD, read_bytes
from onecard.settings.yaml_file import parse as parse_yaml

Source = tuple[str, Mapping[str, Any]]
"""A source's name in messages, and its groups."""

YAML: Final = (".yml", ".yaml", ".json")
_KINDS: Final = ("", *YAML, ".ini", ".toml")
# What onecard stores in the folder itself, and what people store beside it.
_NO_SOURCES: Final = ("known_hosts", "secrets.json", "ssh_config")
# The plugins whose hosts are those of the sources before them.
_BUILT_ON_OTHERS: Final = ("constructed", "ansible.builtin.constructed")


def find_sources(path: Path) -> list[Path]:
    """Return the sources at a path: the file itself, or a folder's, in the order of their names.

    As in Ansible the later one wins. Folders in it, hidden files, backups and sockets are no
    sources.
    """
    if not path.is_dir():
        return [path]
    return [
        entry
        for entry in sorted(path.iterdir(), key=lambda each: each.name)
        if (not entry.is_dir() or entry.suffix in YAML)
        and entry.name[0] != "."
        and entry.name not in _NO_SOURCES
        and not entry.is_socket()  # of a shared ssh connection
        and (entry.suffix in _KINDS or _is_program(entry))
    ]


def read_sources(paths: Sequence[Path], shown: Callable[[Path], str]) -> list[Source]:
    """Return each source's groups, in the shape of a YAML inventory. Raises UsageError.

    shown: returns a path as it stands in messages.
    """
    found: list[Source] = []
    for index, path in enumerate(paths):
        found.append((shown(path), _read(path, shown(path), paths[:index], found)))
    return found


def _read(
    path: Path, shown: str, earlier: Sequence[Path], contents: Sequence[Source]
) -> Mapping[str, Any]:
    """Return what one source holds. earlier: the paths of those before it, and their contents."""
    content = read_text(path, shown)
    alone = True
    if path.suffix in YAML or (path.suffix == "" and not _is_program(path)):
        try:
            values = parse_yaml(content, shown, foreign=True)
        except UsageError:
            if path.suffix:
                raise
        else:
            plugin = values.get("plugin")
            if not isinstance(plugin, str):
                return values
            alone = plugin not in _BUILT_ON_OTHERS
    listed = _listed(path, shown, earlier, alone=alone)
    if path.suffix in ("", ".ini") and not _is_program(path):
        listed = with_lines(listed, content.decode("utf-8", "replace"))
    return _without_known(listed, parse(contents)) if contents else listed


def _listed(path: Path, shown: str, earlier: Sequence[Path], *, alone: bool) -> Mapping[str, Any]:
    """Return Ansible's listing of a source, by itself where that is possible."""
    if alone:
        try:
            return ansible.list_inventory([path], shown)
        except UsageError:
            # An INI file may have groups of groups that an earlier source defines.
            if not earlier:
                raise
    return ansible.list_inventory([*earlier, path], shown)


def _without_known(listed: Mapping[str, Any], tree: GroupTree) -> Mapping[str, Any]:
    """Leave out the variables that earlier sources gave: theirs is the line to be shown."""

    def new(variables: Mapping[str, Any], layers: Sequence[Layer]) -> dict[str, Any]:
        known = {key: value for block in layers for key, value in block.source.items()}
        return {
            key: value
            for key, value in variables.items()
            if key not in known or known[key] != value
        }

    result = {name: dict(body) for name, body in listed.items()}
    for name, body in result.items():
        group = tree.groups.get(name)
        body["vars"] = new(body.get("vars") or {}, group.layers if group else ())
    hosts = result["all"]["hosts"].items()
    result["all"]["hosts"] = {
        name: new(variables, tree.hosts.get(name, ())) for name, variables in hosts
    }
    return result


def read_variables(path: Path, shown: str) -> Mapping[str, Any]:
    """Return the variables in a file of group_vars or host_vars. Raises UsageError."""
    return parse_yaml(read_text(path, shown), shown, foreign=True)


def read_text(path: Path, shown: str) -> bytes:
    """Return a file's content, decrypted where it is vaulted. Raises UsageError."""
    content = read_bytes(path, shown)
    if not content.startswith(VAULT_HEAD.encode()):
        return content
    return ansible.decrypt(content.decode("utf-8", "replace"), shown).encode()


def _is_program(path: Path) -> bool:
    if not os.access(path, os.X_OK):
        return False
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False
