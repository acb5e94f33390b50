"""What is timed: each contender as a command line, and how its output tells of no change."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from onecard import layout
from onecard.host import Connection, Host
from onecard.resources.apt import AptPackages
from onecard.resources.files import Directory
from onecard.resources.kernel import Sysctl
from onecard.resources.user import User
from roles import base

PROJECT = Path(__file__).resolve().parent.parent
PEERS = PROJECT / "bench" / "peers"
PROGRAMS = PROJECT / ".venv" / "bin"
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
    def ssh_options(self) -> list[str]:
        """Return the options that make ssh trust this address alone, and ask nothing."""
        return [
            *("-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"),
            *("-o", "IdentitiesOnly=yes"),
        ]

    def ssh(self, *words: str) -> list[str]:
        """Return an ssh command line to the box, free of the user's own ssh configuration."""
        there = self.connection
        login = ["-i", str(there.key_file), "-p", str(there.port), f"{there.user}@{there.address}"]
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
class Run:
    """One run that changed nothing. round_trips: after the login, where the tool itself counts."""

    seconds: float
    round_trips: int | None = None


def wanted(host: Host) -> dict[str, object]:
    """Return what roles.base and roles.python want of a host, as plain values for the peers."""
    values: dict[str, object] = {"directories": [], "venv": layout.VENV}
    for resource in base.desired(host, None):  # its roles ask for no facts
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
            values["sysctl_file"] = f"# Kept by onecard.\n{lines}"
        else:
            raise BenchError(f"bench/peers knows nothing like {resource.name} of roles/base.py")
    python = shlex.quote(f"{layout.VENV}/bin/python")
    include = f"$({python} -c \"import sysconfig; print(sysconfig.get_path('include'))\")"
    values["header_check"] = f"echo '#include <Python.h>' | cc -x c -fsyntax-only -I{include} -"
    return values


def login(route: Route, *, check: bool = False) -> Run:
    """Log in with ssh and run `true`: what any tool has to spend."""
    return Run(_timed(route.ssh("true"))[0])


def paramiko_login(route: Route, *, check: bool = False) -> Run:
    """Do the same with paramiko, which waits for fewer answers than ssh does, in a new Python."""
    there = route.connection
    words = (there.address, there.port, there.user, there.key_file, route.folder / "known_hosts")
    command = [sys.executable, PEERS / "login.py", *words]
    return Run(_timed([str(word) for word in command])[0])


def onecard(route: Route, *, check: bool = False) -> Run:
    """Run `invoke provision`, or with `check` `invoke plan`."""
    task = "plan" if check else "provision"
    command = [str(PROGRAMS / "invoke"), task, "--host", "box1", "--json"]
    seconds, output = _timed(command, ONECARD_INVENTORY=str(route.folder))
    report = json.loads(output)["hosts"][0]
    _refuse_changes("onecard", report["changed"], output)
    return Run(seconds, report["round_trips"])


def ansible(route: Route, *, check: bool = False) -> Run:
    """Run the playbook; its shared SSH connection is closed behind it, outside the time."""
    control = route.folder / "control"
    persist = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s"]
    command = [
        *(str(PROGRAMS / "ansible-playbook"), "-i", str(route.folder / "sandbox.yml")),
        *("-e", f"@{route.folder / 'wanted.json'}", str(PEERS / "ansible.yml")),
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
    return Run(seconds)


def pyinfra(route: Route, *, check: bool = False) -> Run:
    """Run the deploy; with `check` only its first half, which asks and compares."""
    command = [
        *(
            str(PYINFRA),
            str(route.folder / "pyinfra_inventory.py"),
            str(PEERS / "pyinfra_deploy.py"),
        ),
        "--dry" if check else "--yes",
    ]
    seconds, output = _timed(command, BENCH_WANTED=str(route.folder / "wanted.json"))
    _refuse_changes("pyinfra", _pyinfra_changes(output, check=check), output)
    return Run(seconds)


FLOORS = {
    "ssh: log in, run `true`": login,
    "paramiko: the same": paramiko_login,
}
CONTENDERS = {
    **FLOORS,
    "invoke provision": onecard,
    "Ansible": ansible,
    "pyinfra": pyinfra,
}


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
            f"{tool} finds {changed} changes to make: the box is not in order\n{output}"
        )


def _timed(command: list[str], **environment: str) -> tuple[float, str]:
    """Return the seconds from a program's start to its end, and what it printed."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
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
    # pyinfra talks on standard error.
    return seconds, done.stdout or done.stderr
