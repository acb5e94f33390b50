"""Who a unit's processes are, and what they may do: user, groups, capabilities, limits.

What systemd does with a unit's User=, UMask=, Limit*=, NoNewPrivileges= and AmbientCapabilities=,
as far as it needs no namespace. A process of another user than root has no capabilities but those.
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onecard.box.supervision.unit import ServiceUnit

# include/uapi/linux/prctl.h
_SET_KEEPCAPS, _BOUND_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _CAP_AMBIENT_RAISE = 8, 24, 38, 47, 2
_CAPABILITY_VERSION = 0x20080522  # include/uapi/linux/capability.h, version 3
_CAPABILITIES = {"CAP_NET_BIND_SERVICE": 10}
_LIMITS = {
    "LimitCORE": resource.RLIMIT_CORE,
    "LimitMEMLOCK": resource.RLIMIT_MEMLOCK,
    "LimitNOFILE": resource.RLIMIT_NOFILE,
}
_NOBODY = "nobody"  # for DynamicUser=


@dataclass(frozen=True)
class UnitIdentity:
    """The user of a unit's processes, and what they may do.

    capabilities: their numbers. limits: (resource, wanted value).
    """

    login: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str
    umask: int
    no_new_privileges: bool
    capabilities: tuple[int, ...]
    limits: tuple[tuple[int, int], ...]

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that describe the user (systemd.exec(5))."""
        if self.uid == 0:
            return {}
        return {"USER": self.login, "LOGNAME": self.login, "HOME": self.home, "SHELL": self.shell}

    def confine(self) -> None:
        """Set this process's limits and umask, and forbid it new privileges."""
        for kind, wanted in self.limits:
            _limit(kind, wanted)
        os.umask(self.umask)
        if self.no_new_privileges:
            _prctl(_SET_NO_NEW_PRIVS, 1)

    def assume(self) -> None:
        """Make this process the user's. Raises OSError."""
        if self.uid == 0:
            if self.no_new_privileges:
                _bound(self.capabilities)
            return
        if self.capabilities:
            _prctl(_SET_KEEPCAPS, 1)
        for output in (1, 2):  # as runc does: /dev/stdout can be opened by who may not write a log
            os.fchown(output, self.uid, self.gid)
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)
        if self.capabilities:
            _keep(self.capabilities)


def identity(unit: ServiceUnit) -> UnitIdentity:
    """Return who a unit's processes are. Raises ValueError for a user that does not exist."""
    name = unit.value("User") or (_NOBODY if unit.flag("DynamicUser") else "root")
    group = unit.value("Group")
    try:
        user = pwd.getpwnam(name)
        gid = grp.getgrnam(group).gr_gid if group else user.pw_gid
    except KeyError as error:
        raise ValueError(f"the unit's user or group does not exist: {error}") from None
    names = unit.value("AmbientCapabilities").split()
    return UnitIdentity(
        login=name,
        uid=user.pw_uid,
        gid=gid,
        groups=tuple(os.getgrouplist(name, gid)),
        home=user.pw_dir,
        shell=user.pw_shell,
        umask=int(unit.value("UMask", "0022"), 8),
        no_new_privileges=unit.flag("NoNewPrivileges"),
        capabilities=tuple(_CAPABILITIES[name] for name in names if name in _CAPABILITIES),
        limits=tuple(
            (kind, _amount(unit.value(key))) for key, kind in _LIMITS.items() if unit.value(key)
        ),
    )


def _amount(text: str) -> int:
    return resource.RLIM_INFINITY if text == "infinity" else int(text)


def _limit(kind: int, wanted: int) -> None:
    """Set a limit; one that the container does not allow is raised as far as it does."""
    try:
        resource.setrlimit(kind, (wanted, wanted))
    except (ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (hard, hard))


def _prctl(option: int, *arguments: int) -> None:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    _checked(_libc().prctl(option, *(ctypes.c_ulong(each) for each in padded)), "prctl")


def _bound(capabilities: Sequence[int]) -> None:
    """Leave root these capabilities alone: a program that root starts gets all of the bounding set.

    Raises OSError where the container may not lower it.
    """
    highest = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for number in set(range(highest + 1)) - set(capabilities):
        _prctl(_BOUND_DROP, number)
    _keep(capabilities)


def _keep(capabilities: Sequence[int]) -> None:
    """Leave this process these capabilities alone, and make programs that it starts inherit them.

    They were permitted (PR_SET_KEEPCAPS) through the change of user. Raises OSError where the
    container does not have them.
    """
    mask = sum(1 << number for number in capabilities)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable
    _checked(_libc().capset(header, data), "capset")
    for number in capabilities:
        _prctl(_CAP_AMBIENT, _CAP_AMBIENT_RAISE, number)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
