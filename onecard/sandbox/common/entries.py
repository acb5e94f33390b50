"""The sandbox's entries in the inventory: group `sandbox` and the boxes' host keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from onecard.box.atomic_write import write_whole
from onecard.sandbox.common.backend import Box

_SSH_PORT = 22
_HEADER = "# Written by `invoke sandbox.up`, removed by `invoke sandbox.down`. Edits are lost.\n"


@dataclass(frozen=True)
class Entry:
    """A box and its public host key (`type base64`); None: known_hosts stays as it is."""

    box: Box
    host_key: str | None

    @property
    def known_hosts_name(self) -> str:
        """Return its name in known_hosts (sshd(8): `[address]:port` when the port is not 22)."""
        box = self.box
        return box.address if box.port == _SSH_PORT else f"[{box.address}]:{box.port}"


def render_hosts(boxes: Iterable[Box]) -> str:
    """Return sandbox.yml in Ansible's YAML shape."""
    hosts = {
        box.name: {
            "ansible_host": box.address,
            "ansible_port": box.port,
            "ansible_user": box.user,
            "ansible_ssh_private_key_file": str(box.key_file),
        }
        for box in boxes
    }
    tree = {"all": {"children": {"sandbox": {"hosts": hosts}}}}
    return _HEADER + yaml.safe_dump(tree, sort_keys=False)


def merge_known_hosts(text: str, add: Iterable[Entry], forget: Iterable[str]) -> str:
    """Return known_hosts with the entries' lines, and without other lines for the same names.

    forget: names (first fields) whose lines are removed. All other lines are unchanged.
    """
    lines = {
        entry.known_hosts_name: f"{entry.known_hosts_name} {entry.host_key}\n"
        for entry in add
        if entry.host_key
    }
    removed = {*lines, *forget}
    rest = [line for line in text.splitlines(keepends=True) if line.split(" ", 1)[0] not in removed]
    if rest and not rest[-1].endswith("\n"):
        rest[-1] += "\n"
    return "".join([*rest, *lines.values()])


def write_entries(inventory: Path, entries: Iterable[Entry], forget: Iterable[str] = ()) -> None:
    """Write the current boxes to sandbox.yml and known_hosts in the `inventory` folder."""
    current = list(entries)
    hosts, known = inventory / "sandbox.yml", inventory / "known_hosts"
    if current:
        write_whole(hosts, render_hosts(entry.box for entry in current))
    else:
        hosts.unlink(missing_ok=True)
    before = known.read_text() if known.exists() else ""
    after = merge_known_hosts(before, current, forget)
    if after != before:
        if after:
            write_whole(known, after)
        else:
            known.unlink()
