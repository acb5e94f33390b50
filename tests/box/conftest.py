"""One real box for the whole session: made, provisioned once, deployed to, and removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from onecard.inventory import load
from onecard.sandbox import choose_driver

# Whoever runs the tests in the background has Ctrl-C switched off, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same of a closed terminal under nohup. A handler that does nothing keeps it from these tests,
# and is no handler of what they start.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

PROJECT = Path(__file__).resolve().parents[2]
INVOKE = Path(sys.executable).parent / "invoke"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes seconds first, then the main job: it begins with what wants a bare box."""

    def turn(item: pytest.Item) -> int:
        if item.path.parent.name != "box":
            return 0
        return 1 if item.path.name == "test_main_job.py" else 2

    items.sort(key=turn)


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

    def json(self, *words: str, code: int = 0, timeout: float = 900) -> Any:
        done = self.invoke(*words, "--json", timeout=timeout)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def host(self, name: str = "box1") -> dict[str, Any]:
        listed = self.json("hosts")
        return next(row for row in listed["hosts"] if row["host"] == name)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.fail("the box tests need root: they boot real systemd machines")
    return tmp_path_factory.mktemp("controller")


@pytest.fixture(scope="session")
def controller(folder: Path) -> Iterator[Controller]:
    """A bare box called box1 in group sandbox, and an inventory that knows it."""
    inventory = folder / "inventory"
    shutil.copytree(PROJECT / "inventory", inventory)
    for generated in ("sandbox.yml", "known_hosts"):
        (inventory / generated).unlink(missing_ok=True)
    shutil.rmtree(inventory / "locks", ignore_errors=True)
    driver = choose_driver(folder, inventory, print, cache=PROJECT / ".onecard" / "sandbox")
    try:
        driver.up(["box1"])
        yield Controller(inventory)
    finally:
        driver.down(None)


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

    def __call__(self, script: str) -> str:
        import paramiko

        place = load(self.controller.inventory).hosts["box1"].connection
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
            stdin, stdout, stderr = client.exec_command("sh -s")
            stdin.write(script)
            stdin.channel.shutdown_write()
            output = stdout.read().decode()
            code = stdout.channel.recv_exit_status()
            assert code == 0, f"{script}\n{output}\n{stderr.read().decode()}"
            return output
        finally:
            client.close()


@pytest.fixture(scope="session")
def box(controller: Controller) -> Box:
    return Box(controller)
