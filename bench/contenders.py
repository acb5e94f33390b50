"""The contenders of the benchmark: their command lines, and the check that nothing changed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import bash_peer
from onecard.box import paths
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.resources.apt.packages import AptPackages
from onecard.resources.files.file import Directory
from onecard.resources.system.kernel import Sysctl
from onecard.resources.system.user import User
from onecard.settings.connection import Connection
from roles import base

PROJECT = Path(__file__).resolve().parent.parent
PEERS = PROJECT / "bench" / "peers"
PROGRAMS = Path(sys.executable).parent
PYINFRA = PROJECT / ".onecard" / "bench-venv" / "bin" / "pyinfra"
LIMIT = 300  # seconds for one run


class BenchError(Exception):
    """The benchmark cannot go on; the message is one line."""


@dataclass(frozen=True)
class Route:
    """One way to the box: its address, and a folder with what each contender needs for it."""

    name: str
    folder: Path
    connection: Connection

    @property
    def wanted(self) -> Path:
        """Return the file with the desired state; below the inventory, whose source it is not."""
        return self.folder / "peers" / "wanted.json"

    @property
    def persistent(self) -> Path:
        """Return the inventory whose connection stays open for the next command."""
        return self.folder.with_name(f"{self.folder.name}-persistent")

    @property
    def ssh_options(self) -> list[str]:
        """Return the options that make ssh trust this address alone, and never prompt."""
        return [
            *("-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"),
            *("-o", "IdentitiesOnly=yes"),
        ]

    def ssh(self, *words: str) -> list[str]:
        """Return an ssh command line to the box, free of the user's own ssh configuration."""
        to = self.connection
        login = ["-i", str(to.key_file), "-p", str(to.port), f"{to.user}@{to.address}"]
        return [
            "ssh",
            "-F",
            "none",
            *self.ssh_options,
            *login[:-1],
            *words[:-1],
            *login[-1:],
            words[-1],
        ]


@dataclass(frozen=True)
class QuietRun:
    """One run that changed nothing. round_trips: after the login, where the tool itself counts."""

    seconds: float
    round_trips: int | None = None


def wanted(host: Host) -> dict[str, object]:
    """Return the desired state of roles.base and roles.python as plain values for the peers."""
    values: dict[str, object] = {"directories": [], "venv": paths.VENV}
    # The peers' list is that of a box which forbids nothing.
    for resource in base.system(host, Facts()):
        if isinstance(resource, AptPackages):
            values["packages"] = list(resource.packages)
        elif isinstance(resource, User):
            home, shell = resource.home, resource.shell
            values["user"] = {"login": resource.login, "home": home, "shell": shell}
        elif isinstance(resource, Directory):
            mode = f"{resource.mode:04o}"
            owner = {"path": resource.path, "owner": resource.owner, "group": resource.group}
            values["directories"].append({**owner, "mode": mode})
        elif isinstance(resource, Sysctl):
            values["sysctl"] = dict(resource.values)
            lines = "".join(f"{key} = {value}\n" for key, value in resource.values)
            values["sysctl_file"] = f"# Written by onecard.\n{lines}"
        else:
            raise BenchError(f"{resource.name} of roles/base.py: bench/peers does not support it")
    python = shlex.quote(f"{paths.VENV}/bin/python")
    include = f"$({python} -c \"import sysconfig; print(sysconfig.get_path('include'))\")"
    values["header_check"] = f"echo '#include <Python.h>' | cc -x c -fsyntax-only -I{include} -"
    return values


def login(route: Route, *, check: bool = False) -> QuietRun:
    """Log in with ssh and run `true`: the floor of every tool."""
    return QuietRun(_timed(route.ssh("true"))[0])


def paramiko_login(route: Route, *, check: bool = False) -> QuietRun:
    """Do the same with paramiko in a new Python; it waits for fewer answers than ssh does."""
    to = route.connection
    words = (to.address, to.port, to.user, to.key_file, route.folder / "known_hosts")
    command = [sys.executable, PEERS / "login.py", *words]
    return QuietRun(_timed([str(word) for word in command])[0])


def bash(route: Route, *, check: bool = False) -> QuietRun:
    """Check the peers' list with a bash script over one ssh, the floor of the work."""
    script = bash_peer.script(json.loads(route.wanted.read_text()))
    return QuietRun(_timed(route.ssh("sudo bash -s"), given=script)[0])


def onecard(route: Route, *, check: bool = False, inventory: Path | None = None) -> QuietRun:
    """Run `invoke provision`, or with `check` `invoke plan`; inventory: not the route's own."""
    task = "plan" if check else "provision"
    command = [str(PROGRAMS / "invoke"), task, "--host", "box1", "--json"]
    seconds, output = _timed(command, ONECARD_INVENTORY=str(inventory or route.folder))
    report = json.loads(output)["hosts"][0]
    _refuse_changes("onecard", report["changed"], output)
    return QuietRun(seconds, report["round_trips"])


def onecard_again(route: Route, *, check: bool = False) -> QuietRun:
    """Do the same over the connection of the run before."""
    return onecard(route, check=check, inventory=route.persistent)


def close_connections() -> None:
    """Close what `onecard_again` left open, and the user's own: they will log in again."""
    command = [str(PROGRAMS / "invoke"), "hosts", "--close"]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=LIMIT)


def ansible(route: Route, *, check: bool = False) -> QuietRun:
    """Run the playbook; its shared SSH connection is closed afterwards, outside the time."""
    control = route.folder / "control"
    persist = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s"]
    command = [
        *(str(PROGRAMS / "ansible-playbook"), "-i", str(route.folder / "sandbox.yml")),
        *("-e", f"@{route.wanted}", str(PEERS / "ansible.yml")),
        *(["--check"] if check else []),
    ]
    try:
        seconds, output = _timed(
            command,
            LC_ALL="C.UTF-8",
            ANSIBLE_CONFIG=str(route.folder / "ansible.cfg"),
            ANSIBLE_HOME=str(route.folder / "ansible"),
            ANSIBLE_LOCAL_TEMP=str(route.folder / "ansible"),
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_PIPELINING="1",
            ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
            ANSIBLE_REMOTE_TEMP="/tmp/onecard-bench",  # noqa: S108  # on the box
            ANSIBLE_SSH_ARGS=shlex.join(["-F", "none", *route.ssh_options, *persist]),
            ANSIBLE_SSH_CONTROL_PATH=str(control),
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(route.folder),
        )
    finally:
        close = route.ssh("-o", f"ControlPath={control}", "-O", "exit", "")[:-1]
        subprocess.run(close, check=False, capture_output=True, timeout=LIMIT)
    recap = re.search(r"ok=(\d+) +changed=(\d+)", output)
    if recap is None:
        raise BenchError(f"ansible-playbook printed no recap: {output[-300:]}")
    _refuse_changes("Ansible", int(recap[2]), output)
    return QuietRun(seconds)


def pyinfra(route: Route, *, check: bool = False) -> QuietRun:
    """Run the deploy; with `check` only its first half, which reads and compares."""
    command = [
        *(
            str(PYINFRA),
            str(route.folder / "pyinfra_inventory.py"),
            str(PEERS / "pyinfra_deploy.py"),
        ),
        "--dry" if check else "--yes",
    ]
    seconds, output = _timed(command, BENCH_WANTED=str(route.wanted))
    _refuse_changes("pyinfra", _pyinfra_changes(output, check=check), output)
    return QuietRun(seconds)


Contender = Callable[..., QuietRun]
FLOORS: dict[str, Contender] = {
    "ssh: log in, run `true`": login,
    "paramiko: the same": paramiko_login,
}
CONTENDERS: dict[str, Contender] = {
    **FLOORS,
    "bash over one ssh": bash,
    "invoke provision": onecard,
    "invoke provision, keep_connection": onecard_again,
    "Ansible": ansible,
    "pyinfra": pyinfra,
}
PEER_PROGRAMS = {"Ansible": PROGRAMS / "ansible-playbook", "pyinfra": PYINFRA}


def installed() -> dict[str, Contender]:
    """Return the contenders whose programs are installed. Raises BenchError without ssh."""
    if not shutil.which("ssh"):
        raise BenchError("ssh: not installed; install the package openssh-client")
    absent = {name for name, program in PEER_PROGRAMS.items() if not program.exists()}
    return {name: contender for name, contender in CONTENDERS.items() if name not in absent}


def _pyinfra_changes(output: str, *, check: bool) -> int:
    """Count the operations that change something, from the table that pyinfra prints last."""
    if check:
        rows = re.findall(r"^ {4}[\w.]+ \(.*\) +(\S+) +(\S+) *$", output, re.MULTILINE)
        counts = [sum(row != ("-", "-") for row in rows)] if rows else []
    else:
        rows = re.findall(r"Grand total +(\d+) +\S+ +\S+ +(\S+)", output)
        counts = [int(total) - int(same.replace("-", "0")) for total, same in rows]
    if not counts:
        raise BenchError(f"pyinfra printed no table of its operations: {output[-300:]}")
    return counts[0]


def _refuse_changes(tool: str, changed: int, output: str) -> None:
    if changed:
        raise BenchError(
            f"{tool}: the box is not in order, {changed} changes are pending; run: invoke provision"
            f"\n{output}"
        )


def _timed(command: list[str], *, given: str = "", **environment: str) -> tuple[float, str]:
    """Return the seconds from a program's start to its end, and what it printed.

    given: its standard input.
    """
    started = time.monotonic()
    done = subprocess.run(
        command,
        check=False,
        input=given,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        cwd=PROJECT,
        env={**os.environ, **environment},
    )
    seconds = time.monotonic() - started
    if done.returncode:
        words = (done.stdout + done.stderr)[-2000:]
        raise BenchError(f"`{shlex.join(command)}` ended with code {done.returncode}\n{words}")
    # pyinfra prints to standard error.
    return seconds, done.stdout or done.stderr
