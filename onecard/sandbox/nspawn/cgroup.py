"""A control group for each box where the controller's PID 1 is not systemd.

systemd-nspawn puts a box's processes into `payload` below its own group, so two boxes started
from the same group would share one. A box with systemd enters only the hierarchies that systemd
itself uses, and is not limited; a pod enters those of memory and CPU as well.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

from onecard.sandbox.common.pod import PodLimits
from onecard.sandbox.common.system import wait_until

_SYSTEMD = frozenset({"name=systemd"})
_LIMITED = frozenset({"name=systemd", "memory", "cpu"})


def hierarchies(mounts: str, controllers: frozenset[str] = _SYSTEMD) -> list[Path]:
    """Return the mount points of the controllers' hierarchies, from /proc/self/mounts.

    controllers: of version 1. The hierarchy of version 2, whose name in /proc/PID/cgroup is empty,
    is included.
    """
    found = []
    for line in mounts.splitlines():
        _, point, kind, options, *_ = line.split(" ")
        if kind == "cgroup2" or (kind == "cgroup" and controllers & set(options.split(","))):
            found.append(Path(point))
    return found


def groups(machine: str, limited: bool = False) -> list[Path]:
    """Return the box's group in every hierarchy. limited: also in those of memory and CPU."""
    mounts = Path("/proc/self/mounts").read_text()
    return [
        root / f"onecard-{machine}"
        for root in hierarchies(mounts, _LIMITED if limited else _SYSTEMD)
    ]


def limit_files(machine: str, memberships: str, mounts: str, limits: PodLimits) -> dict[Path, str]:
    """Return file -> value for the limits of a box's groups, innermost.

    memberships: /proc/PID/cgroup of its PID 1. mounts: /proc/self/mounts. Only groups that carry
    the box's name are limited, so never the controller's own. Files of version 1:
    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, of version 2:
    https://docs.kernel.org/admin-guide/cgroup-v2.html.
    """
    quota, period = limits.cpu_quota
    values = {
        "memory": {"memory.limit_in_bytes": str(limits.memory)},
        "cpu": {"cpu.cfs_period_us": str(period), "cpu.cfs_quota_us": str(quota)},
        "": {"memory.max": str(limits.memory), "cpu.max": f"{quota} {period}"},
    }
    second = set(hierarchies(mounts, frozenset()))
    found = {}
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in values.keys() & set(controllers.split(",")):
            first = set(hierarchies(mounts, frozenset({controller}))) - second
            for root in (first if controller else second) if f"onecard-{machine}" in path else ():
                group = root / path.lstrip("/")
                found.update({group / name: text for name, text in values[controller].items()})
    return found


def limit(machine: str, pid_one: int, limits: PodLimits) -> None:
    """Limit the box's memory and CPU, as far as this computer's hierarchies can."""
    memberships = Path(f"/proc/{pid_one}/cgroup").read_text()
    mounts = Path("/proc/self/mounts").read_text()
    for path, value in limit_files(machine, memberships, mounts, limits).items():
        # Beside version 1, version 2 has no controllers, and no such files.
        if path.exists():
            with suppress(OSError):
                path.write_text(value)


def remove(machine: str) -> None:
    """Kill the processes left in the box's groups, and remove the groups."""
    for group in groups(machine, limited=True):
        wait_until(partial(_empty_after_killing, group), 5.0)
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()


def _empty_after_killing(group: Path) -> bool:
    """Kill every process in the group and below; return whether there was none."""
    empty = True
    for members in group.rglob("cgroup.procs"):
        with suppress(OSError):
            for pid in members.read_text().split():
                empty = False
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
    return empty
