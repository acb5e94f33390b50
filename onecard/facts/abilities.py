"""What root can do on a box: a container forbids some of it, however its services run. Pure.

Decided by what the kernel reports and which programs exist, not by the kind of container: a
privileged one may set kernel settings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal

Ability = Literal["accounts", "clock", "firewall", "modules", "packages", "reboot", "sysctl"]

# capabilities(7): the capability that each of these needs.
_CAPABILITY: dict[Ability, str] = {
    "clock": "SYS_TIME",
    "firewall": "NET_ADMIN",
    "modules": "SYS_MODULE",
    "reboot": "SYS_BOOT",
}
_PROGRAM: dict[Ability, str] = {"accounts": "useradd", "packages": "apt-get"}
# linux/capability.h, by bit.
_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)


def capability_names(mask: str) -> tuple[str, ...] | None:
    """Return the capabilities in a hexadecimal mask as /proc/PID/status has it, else None."""
    if not re.fullmatch("[0-9a-fA-F]{1,16}", mask):
        return None
    bits = int(mask, 16)
    return tuple(name for bit, name in enumerate(_NAMES.split()) if bits >> bit & 1)


def forbidden(
    capabilities: Collection[str] | None, missing: Collection[str], *, proc_sys_read_only: bool
) -> tuple[Ability, ...]:
    """Return what root cannot do, in alphabetical order.

    capabilities: root's; None where unknown, which forbids nothing. missing: programs.
    """

    def found() -> Iterator[Ability]:
        for ability, name in _CAPABILITY.items():
            if capabilities is not None and name not in capabilities:
                yield ability
        for ability, program in _PROGRAM.items():
            if program in missing:
                yield ability
        if proc_sys_read_only:
            yield "sysctl"

    return tuple(sorted(found()))
