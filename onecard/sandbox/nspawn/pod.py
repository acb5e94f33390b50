"""A pod as a systemd-nspawn container: what a boot would set up, and what an engine forbids."""

from __future__ import annotations

from pathlib import Path

from onecard.errors import SandboxError
from onecard.sandbox.common.pod import CAPABILITIES, SHM_BYTES, STRIP, limits_of_this_computer
from onecard.sandbox.common.system import run, succeeds, wait_until
from onecard.sandbox.nspawn import cgroup
from onecard.sandbox.nspawn.process import Process

# nspawn's defaults (systemd-nspawn(1), --capability) and CAP_NET_ADMIN of a private network.
_NSPAWN_CAPABILITIES = (
    "AUDIT_CONTROL", "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID",
    "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE",
    "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT",
    "SYS_CHROOT", "SYS_NICE", "SYS_PTRACE", "SYS_RESOURCE", "SYS_TTY_CONFIG",
)  # fmt: skip
_DROPPED = tuple(name for name in _NSPAWN_CAPABILITIES if name not in CAPABILITIES)

# What nspawn's filter allows and Docker's does not without CAP_SYS_ADMIN:
# https://docs.docker.com/engine/security/seccomp/
_FORBIDDEN_CALLS = (
    "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "pivot_root", "unshare", "setns", "keyctl", "add_key", "request_key",
    "bpf", "perf_event_open", "userfaultfd",
)  # fmt: skip

_OPEN_FILES = 1 << 20  # as in a container of Docker, or what this computer allows
_START_SECONDS = 15.0
_INTERFACE = "eth0"

# An engine mounts all of /proc/sys read-only, and has no device of these. /run/sshd is the first
# thing that PID 1 makes: nspawn's own mounts are done.
_SEAL = "test -d /run/sshd && rm -rf /dev/net /dev/fuse && mount -o remount,bind,ro /proc/sys/net"


def nspawn_options() -> list[str]:
    """Return a pod's options for systemd-nspawn, and the command of its PID 1."""
    return [
        f"--drop-capability={','.join(f'CAP_{name}' for name in _DROPPED)}",
        f"--system-call-filter=~{' '.join(_FORBIDDEN_CALLS)}",
        f"--tmpfs=/dev/shm:size={SHM_BYTES},mode=1777,nosuid,nodev,noexec",
        f"--rlimit=NOFILE={_OPEN_FILES}",
        "--kill-signal=SIGTERM",
        # nspawn makes all capabilities inheritable; and its variables name it, which an engine's
        # do not: facts must not depend on them.
        "/usr/bin/setpriv", "--inh-caps=-all", "/usr/bin/env", "-i", "HOME=/root",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/start.sh",
    ]  # fmt: skip


def strip(root: Path) -> None:
    """Remove systemd, sudo and the accounts from a tree; one without them is left as it is."""
    run(["chroot", root, "/bin/sh"], given=STRIP, extra={"HOME": "/root"})


def seal(pid_one: Process, machine: str) -> None:
    """Forbid what nspawn leaves to a container, and limit its memory and CPU."""
    command = ["nsenter", f"--target={pid_one.pid}", "--mount", "/bin/sh", "-c", _SEAL]
    if not wait_until(lambda: succeeds(command), _START_SECONDS, 0.05):
        raise SandboxError("a pod's PID 1 did not start")
    cgroup.limit(machine, pid_one.pid, limits_of_this_computer())


def connect(pid_one: Process, address: str, gateway: str) -> None:
    """Give the pod its address (with prefix length) from outside, as an engine does."""
    for words in network_commands(address, gateway):
        run(["nsenter", f"--target={pid_one.pid}", "--net", "ip", *words])


def network_commands(address: str, gateway: str) -> list[list[str]]:
    """Return ip's arguments that set up the interface which nspawn names host0."""
    return [
        ["link", "set", "lo", "up"],
        ["link", "set", "host0", "name", _INTERFACE],
        ["addr", "add", address, "dev", _INTERFACE],
        ["link", "set", _INTERFACE, "up"],
        ["route", "add", "default", "via", gateway],
    ]


def drop_command() -> list[str]:
    """Return the argv prefix that runs a command with no more capabilities than the pod's root."""
    allowed = ",".join(["-all", *(f"+{name.lower()}" for name in CAPABILITIES)])
    return ["setpriv", f"--bounding-set={allowed}", "--inh-caps=-all"]
