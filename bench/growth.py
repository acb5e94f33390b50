"""How a run without changes grows: with the hosts of an inventory, and with the files of one host.

All hosts are one sandbox box under several names, so that its two cores do the work of all: dry
runs, which take no lock.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from bench.contenders import LIMIT, PEERS, PROGRAMS, PROJECT, PYINFRA, BenchError, Route
from onecard.engine.converge import converge
from onecard.engine.facts_cache import FactsCache
from onecard.engine.first_requests import first_requests
from onecard.engine.host_plan import RolePlan
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListener
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.resources.files.file import File
from onecard.ssh.login import connected

FILES = (10, 100, 1000)
# A process begins with the size of the one that starts it: this is a small one.
_MEASURED = """
import resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.call(sys.argv[1:])
print(time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
_SSHD = "/etc/ssh/sshd_config.d/onecard-bench.conf"
_PLACE = "/var/tmp/onecard-bench"  # noqa: S108  # on the box


@dataclass(frozen=True)
class Grown:
    """One run. memory_mib: the most that its process held; None where nothing was started."""

    seconds: float
    memory_mib: float | None = None
    round_trips: int | None = None


def hosts(route: Route, names: list[str]) -> dict[str, Grown]:
    """Return contender -> a dry run on these names of the box."""
    folder = route.folder / f"hosts-{len(names)}"
    _inventory(route, folder, names)
    everything = ",".join(names)
    found = {
        "invoke plan": _run(
            [str(PROGRAMS / "invoke"), "plan", "--host", everything, "--json"],
            ONECARD_INVENTORY=str(folder),
        )
    }
    if (PROGRAMS / "ansible-playbook").exists():
        control = ["-o", "ControlMaster=auto", "-o", "ControlPersist=2s"]
        found["Ansible -f 16"] = _run(
            [
                *(str(PROGRAMS / "ansible-playbook"), "-f", "16", "--check"),
                *(
                    "-i",
                    str(_ansible_inventory(folder)),
                    "-e",
                    f"@{route.wanted}",
                ),
                str(PEERS / "ansible.yml"),
            ],
            LC_ALL="C.UTF-8",
            ANSIBLE_HOME=str(route.folder / "ansible"),
            ANSIBLE_CONFIG=str(route.folder / "ansible.cfg"),
            ANSIBLE_PIPELINING="1",
            ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
            ANSIBLE_REMOTE_TEMP="/tmp/onecard-bench",  # noqa: S108  # on the box
            ANSIBLE_SSH_ARGS=" ".join(["-F none", *route.ssh_options, *control]),
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(folder),
            ANSIBLE_SSH_RETRIES="5",  # sshd refuses some of many logins at once
        )
    if PYINFRA.exists():
        found["pyinfra"] = _run(
            [str(PYINFRA), str(folder / "pyinfra.py"), str(PEERS / "pyinfra_deploy.py"), "--dry"],
            BENCH_WANTED=str(route.wanted),
        )
    return found


def _ansible_inventory(folder: Path) -> Path:
    return folder.with_suffix(".yml")


def _inventory(route: Route, folder: Path, names: list[str]) -> None:
    """Write the box under several names for each contender, once."""
    if folder.exists():
        return
    folder.mkdir()
    tree = yaml.safe_load((route.folder / "sandbox.yml").read_text())
    (variables,) = tree["all"]["children"]["sandbox"]["hosts"].values()
    sandbox = tree["all"]["children"]["sandbox"]
    sandbox["hosts"] = dict.fromkeys(names, variables)
    (folder / "sandbox.yml").write_text(yaml.safe_dump(tree))
    # One address would be one shared connection to Ansible, and sshd limits its sessions.
    shared = "-o ControlPath={}/c{}"
    sandbox["hosts"] = {
        name: {**variables, "ansible_ssh_extra_args": shared.format(folder, number)}
        for number, name in enumerate(names)
    }
    _ansible_inventory(folder).write_text(yaml.safe_dump(tree))
    for each in ("known_hosts", "group_vars", "hosts.yml"):
        if (route.folder / each).exists():
            (folder / each).symlink_to(route.folder / each)
    (folder / "locks").mkdir()
    (lock,) = (route.folder / "locks").glob("box1.*")
    for name in names:
        (folder / "locks" / lock.name.replace("box1", name)).symlink_to(lock)
    values: dict[str, object] = {}
    exec((route.folder / "pyinfra_inventory.py").read_text(), values)  # noqa: S102  # written here
    ((_, data),) = values["hosts"]  # type: ignore[misc]
    # pyinfra takes a host once: each name is its own host with the same address.
    (folder / "pyinfra.py").write_text(f"hosts = {[(name, data) for name in names]!r}\n")


def _run(command: list[str], **environment: str) -> Grown:
    """Run a program; return its seconds and the most memory that it held."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _MEASURED, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=PROJECT,
        env={**os.environ, **environment},
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{command[0]} ended with {done.returncode}\n{done.stdout[-1500:]}")
    seconds, kibibytes = done.stdout.splitlines()[-1].split()
    return Grown(float(seconds), int(kibibytes) / 1024)


def files(host: Host, route: Route, count: int) -> Grown:
    """Return a run of the engine alone with so many more file resources, login included."""
    wanted = tuple(
        File(f"{_PLACE}/{count}/{number}", f"file {number}\n") for number in range(count)
    )
    host = replace(host, connection=route.connection)
    cache = FactsCache(route.wanted.with_name(f"facts-{count}.json"))

    def roles(host: Host, facts: Facts) -> list[RolePlan]:
        return [RolePlan("files", wanted)]

    report = HostReport(host.name)
    started = time.monotonic()
    first = first_requests("bench", cache.expected) if cache.expected else ()
    with connected(host, route.folder / "known_hosts", first) as box:
        converge(
            box.session,
            host,
            roles,
            listener=EventListener(),
            report=report,
            holder="bench",
            cache=cache,
        )
    return Grown(time.monotonic() - started, None, report.round_trips)


@contextmanager
def prepared(route: Route) -> Iterator[None]:
    """Write the files on the box and let sshd take all logins at once; undo both at the end.

    Sixteen real hosts would have an sshd each, and this one refuses some of 16 (MaxStartups).
    """
    lines = [
        f'mkdir -p {_PLACE}/{count}; for n in $(seq 0 {count - 1}); do echo "file $n" '
        f">{_PLACE}/{count}/$n; done"
        for count in FILES
    ]
    more = f"echo MaxStartups 100 >{_SSHD}; systemctl reload ssh"
    script = "\n".join(["umask 022", *lines, more])
    subprocess.run(route.ssh("sudo sh -s"), input=script, text=True, check=True, timeout=LIMIT)
    try:
        yield
    finally:
        subprocess.run(
            route.ssh(f"sudo sh -c 'rm -rf {_PLACE} {_SSHD}; systemctl reload ssh'"),
            check=True,
            timeout=LIMIT,
        )
