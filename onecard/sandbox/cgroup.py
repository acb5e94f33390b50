"""A control group for each box where the controller's PID 1 is not systemd.

systemd-nspawn puts a box's processes into `payload` below its own group, so two boxes started
from the same group would share one. Only the hierarchies that systemd itself uses are touched;
nothing is limited.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

from onecard.sandbox.system import wait_until


def hierarchies(mounts: str) -> list[Path]:
    """Return the mount points of cgroup2 and of the named v1 hierarchy, from /proc/self/mounts."""
    found = []
    for line in mounts.splitlines():
        _, point, kind, options, *_ = line.split(" ")
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(point))
    return found


def groups(machine: str) -> list[Path]:
    """Return the box's group in every hierarchy."""
    return [
        root / f"onecard-{machine}" for root in hierarchies(Path("/proc/self/mounts").read_text())
    ]


def remove(machine: str) -> None:
    """Kill by PID whatever is left in the box's groups, and remove the groups."""
    for group in groups(machine):
        wait_until(partial(_empty_after_killing, group), 5.0)
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()


def _empty_after_killing(group: Path) -> bool:
    """Kill every process in the group and below; tell whether there was none."""
    empty = True
    for members in group.rglob("cgroup.procs"):
        with suppress(OSError):
            for pid in members.read_text().split():
                empty = False
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
    return empty
