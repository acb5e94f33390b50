"""Start and stop one systemd-nspawn container as a detached process."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from onecard.errors import SandboxError
from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.system import environment, mounts_below, run, succeeds, wait_until
from onecard.sandbox.nspawn import cgroup, pod
from onecard.sandbox.nspawn.network import delete_interface
from onecard.sandbox.nspawn.process import Process, children, leader

_STOP_SECONDS = 15.0
_KILL_SECONDS = 5.0
_NSPAWN_RUN = Path("/run/systemd/nspawn")


@dataclass(frozen=True)
class NspawnContainer:
    """A tree and the names to boot it under.

    folder: holds `root`, `console.log` and `pid`. read_only: bound at the same path.
    writable: place in the box -> folder on this computer. systemd: False runs a pod.
    """

    name: str
    folder: Path
    labels: Labels
    read_only: Sequence[Path] = ()
    writable: Mapping[str, Path] | None = None
    systemd: bool = True

    @property
    def machine(self) -> str:
        """Return the machine name."""
        return self.labels.machine(self.name)

    @property
    def supervisor(self) -> Process | None:
        """Return the process that supervises systemd-nspawn, if it still runs."""
        with suppress(FileNotFoundError, ValueError):
            pid, started = map(int, (self.folder / "pid").read_text().split())
            process = Process(pid, started)
            return process if process.alive() else None
        return None

    @property
    def leader(self) -> Process | None:
        """Return the box's PID 1, if the box runs."""
        supervisor = self.supervisor
        return leader(supervisor) if supervisor else None


def nspawn_command(container: NspawnContainer) -> list[str]:
    """Return systemd-nspawn's argv."""
    command = [
        "systemd-nspawn", "--quiet", f"--directory={container.folder / 'root'}",
        "--register=no", "--keep-unit", f"--machine={container.machine}",
        f"--hostname={container.name}", f"--network-bridge={container.labels.bridge}",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only",
    ]  # fmt: skip
    command += [f"--bind-ro={_escaped(path)}" for path in container.read_only]
    writable = container.writable or {}
    command += [f"--bind={_escaped(path)}:{place}" for place, path in writable.items()]
    return command + (["--boot"] if container.systemd else pod.nspawn_options())


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def launch_script(container: NspawnContainer, groups: Sequence[Path], systemd: bool) -> str:
    """Return the shell that supervises the container: it writes PID and start time to `pid`.

    A reboot inside ends systemd-nspawn with exit code 133 when it runs with --keep-unit, which
    requests a restart (systemd-nspawn(1), "Exit status"); the loop restarts it.
    SIGTERM powers the container off. systemd: PID 1 of the controller is systemd, which then
    makes a delegated scope for the box; otherwise the container enters `groups`.
    """
    nspawn = nspawn_command(container)
    enter = []
    if systemd:
        scope = ["systemd-run", "--scope", "--quiet", "--collect", "--property=Delegate=yes"]
        nspawn = [*scope, f"--unit=onecard-{container.machine}", *nspawn]
    else:
        for group in groups:
            quoted = shlex.quote(str(group))
            enter += [f"mkdir -p {quoted}", f"sh -c 'echo $PPID' >{quoted}/cgroup.procs"]
    pid = shlex.quote(str(container.folder / "pid"))
    lines = [
        "read -r stat </proc/$$/stat",
        "set -- $stat",
        f"echo $$ ${{22}} >{pid}.new && mv {pid}.new {pid} || exit 1",
        # /tmp of a real box is on its disk; as a tmpfs it would be a tenth of the memory.
        "export SYSTEMD_NSPAWN_TMPFS_TMP=0",
        "stopping= child=",
        "trap 'stopping=1; kill -TERM $child 2>/dev/null' TERM",
        'while [ -z "$stopping" ]; do',
        "(",
        "trap - TERM",
        *enter,
        "exec " + shlex.join(nspawn),
        ") &",
        "child=$!",
        "wait $child; code=$?",
        "while kill -0 $child 2>/dev/null; do wait $child; code=$?; done",
        "[ $code = 133 ] || break",
        "done",
    ]
    return "\n".join(lines) + "\n"


def start(container: NspawnContainer) -> None:
    """Start the container detached from this terminal and session. Raises SandboxError."""
    systemd = Path("/run/systemd/system").is_dir()
    groups = cgroup.groups(container.machine, limited=not container.systemd)
    script = launch_script(container, groups, systemd)
    (container.folder / "pid").unlink(missing_ok=True)
    with (container.folder / "console.log").open("ab") as console:
        subprocess.run(
            ["setsid", "--fork", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=environment(),
            cwd="/",
            check=True,
        )
    if not wait_until((container.folder / "pid").exists, 10.0, 0.01):
        raise SandboxError(f"box {container.name} did not start", detail=console_tail(container))


def wait_for_leader(container: NspawnContainer) -> Process:
    """Return the box's PID 1 as soon as there is one. Raises SandboxError."""
    if not wait_until(lambda: container.leader is not None, 10.0, 0.02):
        raise SandboxError(f"box {container.name} did not start", detail=console_tail(container))
    pid_one = container.leader
    if pid_one is None:
        raise SandboxError(f"box {container.name} ended", detail=console_tail(container))
    return pid_one


def is_ready(container: NspawnContainer, address: str) -> bool:
    """Return whether sshd responds and a systemd has booted. Raises SandboxError if it died."""
    if container.supervisor is None:
        raise SandboxError(
            f"box {container.name} ended while it booted", detail=console_tail(container)
        )
    pid_one = container.leader
    if pid_one is None or not greets(address):
        return False
    return booted(pid_one) if container.systemd else True


def greets(address: str, port: int = 22) -> bool:
    """Return whether an SSH server sends its banner (RFC 4253, 4.2)."""
    try:
        with socket.create_connection((address, port), timeout=1.0) as connection:
            connection.settimeout(2.0)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def booted(pid_one: Process) -> bool:
    """Return whether the state of the box's systemd is `running` or `degraded`."""
    check = "case $(systemctl is-system-running) in running|degraded) ;; *) exit 1 ;; esac"
    return succeeds([*enter_command(pid_one), "/bin/sh", "-c", check])


def enter_command(pid_one: Process) -> list[str]:
    """Return the argv prefix that runs a command in the box's namespaces."""
    return ["nsenter", f"--target={pid_one.pid}", "--mount", "--uts", "--ipc", "--net", "--pid"]


def console_tail(container: NspawnContainer) -> str:
    """Return the end of what the box wrote to its console."""
    log = container.folder / "console.log"
    return log.read_text(errors="replace")[-1500:].strip() if log.exists() else ""


def stop(container: NspawnContainer) -> None:
    """Power the container off, by force after a deadline, and clean up after nspawn."""
    supervisor = container.supervisor
    if supervisor:
        supervisor.send(signal.SIGTERM)
        if not wait_until(lambda: not supervisor.alive(), _STOP_SECONDS, 0.05):
            _kill(supervisor)
    cgroup.remove(container.machine)
    delete_interface(container.labels.interface(container.name))
    for point in mounts_below((container.folder / "root").resolve()):
        run(["umount", "--lazy", point])
    for place in ("propagate", "unix-export"):
        with suppress(OSError):
            (_NSPAWN_RUN / place / container.machine).rmdir()
    (container.folder / "pid").unlink(missing_ok=True)


def _kill(supervisor: Process) -> None:
    nspawns = list(children(supervisor.pid))
    pid_one = leader(supervisor)
    for process in [supervisor, *([pid_one] if pid_one else []), *nspawns]:
        process.send(signal.SIGKILL)
        if not wait_until(partial(_gone, process), _KILL_SECONDS):
            raise SandboxError(f"process {process.pid} of a sandbox box does not end: reboot")


def _gone(process: Process) -> bool:
    return not process.alive()
