"""Logs in to sandbox boxes, and finds what one leaves on this computer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import paramiko

from onecard.sandbox import Box
from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.system import mounts_below


def login(box: Box, inventory: Path, user: str = "") -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.load_host_keys(str(inventory / "known_hosts"))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        box.address,
        box.port,
        user or box.user,
        key_filename=str(box.key_file),
        allow_agent=False,
        look_for_keys=False,
        timeout=5,
        banner_timeout=5,
        auth_timeout=5,
    )
    return client


def ask(box: Box, inventory: Path, command: str, user: str = "") -> tuple[int, str]:
    with login(box, inventory, user) as client:
        _, out, err = client.exec_command(command, timeout=180)
        text = out.read().decode() + err.read().decode()
        return out.channel.recv_exit_status(), text.strip()


def traces(project: Path, labels: Labels, name: str) -> list[str]:
    """Everything of a box that can be found on this computer."""
    machine = labels.machine(name)
    found = mounts_below(project)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            root, line = (entry / "root").readlink(), (entry / "cmdline").read_bytes()
            group = (entry / "cgroup").read_text()
        except OSError:
            continue
        if machine in line.decode(errors="replace") + group or project in root.parents:
            found.append(str(entry))
    found += map(str, Path("/sys/fs/cgroup").rglob(f"*{machine}*"))
    found += map(str, Path("/run/systemd/nspawn").rglob(f"*{machine}*"))
    for interface in (labels.bridge, labels.interface(name)):
        found += map(str, Path("/sys/class/net").glob(interface))
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    found += [line for line in tables.stdout.splitlines() if labels.table in line]
    found += map(str, (project / ".onecard/sandbox/boxes").glob("*"))
    return found
