"""The boxes that the tests declare: one provisioned and served, bare ones, copies of the served one.

Each worker of pytest-xdist has its own served box, shared by all of its files, which leave it as
they found it. The tests of one file run on one worker (--dist loadfile), in their order.

`test_on_a_pod.py` runs some of the same tests on a box without systemd.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from onecard.inventory.load import load
from onecard.records import Run, find_runs
from onecard.reference.documents_schema import check
from onecard.sandbox import choose_driver
from onecard.sandbox.common.controller import read_controller
from onecard.sandbox.nspawn.base import base_folder

# Tests that run in the background have Ctrl-C switched off, and their subprocesses inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same of a closed terminal under nohup. A handler that does nothing ends that for these tests,
# and is not a handler of what they start.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

PROJECT = Path(__file__).resolve().parents[2]
INVOKE = Path(sys.executable).parent / "invoke"
SANDBOX_CACHE = PROJECT / ".onecard" / "sandbox"
# Which process serves, and since when, whatever runs it.
SERVER = "ps -o pid=,lstart= -p \"$(pgrep -of 'bin/vllm serve')\""
INVOCATION = "systemctl show vllm -p InvocationID --value"


@dataclass(frozen=True)
class Controller:
    """Types the tool's commands as a user does, with an inventory of the tests' own."""

    inventory: Path

    @property
    def runs(self) -> Path:
        """The folder of its records."""
        return self.inventory.parent / "runs"

    @property
    def environment(self) -> dict[str, str]:
        """What its commands run with."""
        return {
            **os.environ,
            "ONECARD_INVENTORY": str(self.inventory),
            "ONECARD_HOST": "",
            "ONECARD_RUNS": str(self.runs),
        }

    @property
    def address(self) -> str:
        """This computer's address on the boxes' network."""
        address = load(self.inventory).hosts["box1"].connection.address
        return str(IPv4Network(f"{address}/24", strict=False)[1])

    def invoke(
        self, *words: str, timeout: float = 900, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [INVOKE, *words],
            cwd=PROJECT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def begin(
        self, *words: str, before: tuple[str, ...] = (), stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start a command; its progress comes through stderr. before: words in front of it."""
        return subprocess.Popen(
            [*before, INVOKE, *words],
            cwd=PROJECT,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def last_run(self, kind: str) -> Run:
        """Return the newest record of a kind."""
        return [run for run in find_runs("box1", self.runs)[0] if run.kind == kind][-1]

    def json(self, *words: str, code: int = 0, timeout: float = 900) -> Any:
        done = self.invoke(*words, "--json", timeout=timeout)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        check(words[0], done.stdout)
        return json.loads(done.stdout)

    def host(self, name: str = "box1") -> dict[str, Any]:
        listed = self.json("hosts")
        return next(row for row in listed["hosts"] if row["host"] == name)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.fail("the box tests need root: they boot real systemd machines")
    return tmp_path_factory.mktemp("controller")


@contextmanager
def running_box(
    folder: Path,
    inventory: Path,
    cache: Path,
    systemd: bool = True,
    names: Sequence[str] = ("box1",),
) -> Iterator[Controller]:
    """Boot boxes with an inventory that knows them; remove them at the end.

    systemd: False for pods.
    """
    folder.mkdir(exist_ok=True)
    shutil.copytree(inventory, folder / "inventory")
    inventory = folder / "inventory"
    for generated in ("sandbox.yml", "known_hosts"):
        (inventory / generated).unlink(missing_ok=True)
    driver = choose_driver(folder, inventory, print, cache=cache)
    try:
        driver.up(names, systemd)
        yield Controller(inventory)
    finally:
        driver.down(None)


@contextmanager
def bare_box(folder: Path, systemd: bool = True) -> Iterator[Controller]:
    """Boot a box that nothing is installed on. systemd: False for a pod."""
    project = folder / "project-inventory"
    shutil.copytree(PROJECT / "inventory", project, ignore=shutil.ignore_patterns("locks"))
    with running_box(folder, project, SANDBOX_CACHE, systemd) as opened:
        yield opened


@contextmanager
def copied_box(
    folder: Path, source: Controller, names: Sequence[str] = ("box1",)
) -> Iterator[Controller]:
    """Boot copies of another's box1: what is provisioned and deployed there is so here too."""
    folder.mkdir(exist_ok=True)
    tree = source.inventory.parent / ".onecard" / "sandbox" / "boxes" / "box1" / "root"
    cache = folder / "cache"
    cache.mkdir()
    base_folder(cache, read_controller()).symlink_to(tree)
    with running_box(folder, source.inventory, cache, names=names) as opened:
        yield opened


@pytest.fixture(scope="session")
def controller(folder: Path) -> Iterator[Controller]:
    """The worker's shared box, called box1 in group sandbox, and an inventory that knows it."""
    with bare_box(folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def provisioned(controller: Controller) -> Any:
    """The report of the first provision of the bare box."""
    return controller.json("provision", "--host", "sandbox", timeout=1500)


@pytest.fixture(scope="session")
def deployed(controller: Controller, provisioned: Any) -> Any:
    """The report of the first deploy."""
    return controller.json("deploy", "--host", "sandbox")


@dataclass(frozen=True)
class Box:
    """Looks at and meddles with the box behind the tool's back, as root over SSH."""

    controller: Controller
    name: str = "box1"

    @contextmanager
    def _login(self) -> Iterator[Any]:
        import paramiko

        place = load(self.controller.inventory).hosts[self.name].connection
        client = paramiko.SSHClient()
        client.load_host_keys(str(self.controller.inventory / "known_hosts"))
        client.connect(
            place.address,
            username="root",
            key_filename=str(place.key_file),
            look_for_keys=False,
            allow_agent=False,
        )
        try:
            yield client
        finally:
            client.close()

    def __call__(self, script: str) -> str:
        with self._login() as client:
            stdin, stdout, stderr = client.exec_command("sh -s")
            stdin.write(script)
            stdin.channel.shutdown_write()
            output: str = stdout.read().decode()
            code = stdout.channel.recv_exit_status()
            assert code == 0, f"{script}\n{output}\n{stderr.read().decode()}"
            return output

    @contextmanager
    def running(self, words: tuple[str, ...], line: str, printed: list[str]) -> Iterator[None]:
        """Run a program beside other work, from its first line on; append the rest to `printed`.

        line: for its standard input.
        """
        with self._login() as client:
            stdin, stdout, _ = client.exec_command(shlex.join(words))
            stdin.write(line)
            stdin.flush()
            stdout.readline()
            try:
                yield
            finally:
                stdin.channel.shutdown_write()
                printed.append(stdout.read().decode())

    def model_folder(self) -> str:
        """Return where the served model lies; tests before may have left others beside it."""
        return self(
            "grep -om1 '/opt/onecard/models/[^\" ]*' /etc/systemd/system/vllm.service"
        ).strip()


@pytest.fixture(scope="session")
def box(controller: Controller) -> Box:
    return Box(controller)


def serving(controller: Controller) -> dict[str, Any]:
    """Return the release in force, after seeing that the server answers."""
    assert controller.json("status", "--host", "sandbox")["status"] == "serving"
    return in_force(controller)


def in_force(controller: Controller) -> dict[str, Any]:
    """Return the release in force, one that has answered."""
    found = controller.json("releases", "--host", "sandbox")["releases"]
    (current,) = [release for release in found if release["current"]]
    assert current["state"] == "ready"
    assert current["installed"]
    return dict(current)


@pytest.fixture
def good(controller: Controller, deployed: Any) -> dict[str, Any]:
    """The release in force: what a failed deploy has to come back to."""
    if controller.invoke("status", "--host", "sandbox").returncode != 0:
        controller.json("deploy", "--host", "sandbox")
    return in_force(controller)


def wait_until(running: subprocess.Popen[str] | None, there: Callable[[], bool]) -> None:
    """Wait for something on the box, while a command runs that brings it about."""
    deadline = time.monotonic() + 400
    while not there():
        assert time.monotonic() < deadline, "it never came"
        assert running is None or running.poll() is None, running.communicate()
        time.sleep(1)
