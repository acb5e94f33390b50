"""The sandbox's entries in the inventory: group `sandbox` and the boxes' host keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from onecard.sandbox.driver import Box
from onecard.whole_file import write_whole

_SSH_PORT = 22
_HEADER = "# Written by `invoke sandbox.up`, removed by `invoke sandbox.down`. Edits are lost.\n"


@dataclass(frozen=True)
class Entry:
    """A box and the public host key (`type base64`) that it shows."""

    box: Box
    host_key: str

    @property
    def place(self) -> str:
        """The box's name in known_hosts (sshd(8): `[address]:port` when the port is not 22)."""
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
    """Return known_hosts with the entries' lines, and without other lines for their places.

    forget: places (first fields) whose lines go. All other lines stay byte for byte.
    """
    lines = {entry.place: f"{entry.place} {entry.host_key}\n" for entry in add}
    gone = {*lines, *forget}
    kept = [line for line in text.splitlines(keepends=True) if line.split(" ", 1)[0] not in gone]
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    return "".join([*kept, *lines.values()])


def write_entries(inventory: Path, entries: Iterable[Entry], forget: Iterable[str] = ()) -> None:
    """Make sandbox.yml and known_hosts in the `inventory` folder say what boxes there are now."""
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
