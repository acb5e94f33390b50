"""The systemd-nspawn driver: Debian trees booted on this computer, each with its own address."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path

from onecard.errors import SandboxError
from onecard.sandbox import container as machine
from onecard.sandbox.base import ensure_base
from onecard.sandbox.container import Container
from onecard.sandbox.controller import Controller, read_controller
from onecard.sandbox.driver import Box
from onecard.sandbox.entries import Entry, write_entries
from onecard.sandbox.furnish import ADMIN, Identity, base_files, box_files, network_files
from onecard.sandbox.keys import fresh_key_pair
from onecard.sandbox.names import unique
from onecard.sandbox.network import Network
from onecard.sandbox.project import ProjectBoxes, locked, refuse_unknown
from onecard.sandbox.resolver import read_resolv_conf
from onecard.sandbox.subnet import address_of, next_host
from onecard.sandbox.system import (
    Say,
    install_missing_programs,
    remove_tree,
    run,
    wait_until,
)
from onecard.sandbox.tree import write_files
from onecard.whole_file import write_whole

_BOOT_SECONDS = 90.0


@dataclass(frozen=True)
class _Record:
    """What is kept of a box: its host number in the subnet and its public host key."""

    host: int
    host_key: str


class NspawnDriver(ProjectBoxes):
    """Boxes of one project as trees of this computer's own release."""

    def __init__(self, project: Path, inventory: Path, say: Say, cache: Path | None = None) -> None:
        super().__init__(project, inventory, say, cache)
        self._network = Network(self._labels)

    def up(self, names: Sequence[str]) -> list[Box]:
        """Make or start the named boxes; return once every one answers over SSH."""
        wanted = unique(names)
        with self._locked():
            install_missing_programs(self._say)
            pending = [name for name in wanted if not self._running(name)]
            if pending:
                self._bring_up(pending)
            self._write_entries()
            return [self._box(name) for name in wanted]

    def boxes(self) -> list[Box]:
        """Return this project's boxes in the order of their names."""
        return [self._box(name) for name in self._names()]

    def down(self, names: Sequence[str] | None, caches: bool = False) -> list[str]:
        """Remove the named boxes (None: all) with all that they left; return their names."""
        if not self._state.exists():
            refuse_unknown(names or (), [])
            return []
        with self._locked():
            present = self._names()
            going = present if names is None else list(unique(names))
            refuse_unknown(going, present)
            places = [self._box(name).address for name in going]
            if names is None:
                going = sorted(path.name for path in self._state.glob("boxes/*"))
            for name in going:
                started = time.monotonic()
                self._remove(name)
                self._say(f"sandbox: {name} removed ({time.monotonic() - started:.1f} s)")
            self._write_entries(forget=places)
            if caches:
                for folder in [*self._cache.glob("base-*"), self._cache / "pip-cache"]:
                    remove_tree(folder)
            return going

    def shell(self, name: str) -> int:
        """Open a root shell in the box on this terminal; return its exit code."""
        refuse_unknown([name], self._names())
        pid_one = self._container(name).leader
        if pid_one is None:
            raise SandboxError(
                f"box {name} is stopped: `invoke sandbox.up --name {name}` starts it"
            )
        clean = ["env", "-i", f"TERM={os.environ.get('TERM', 'dumb')}", "HOME=/root", "USER=root"]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = machine.enter_command(pid_one)
        login = ["/bin/sh", "-c", "cd; exec bash -l"]
        return subprocess.run([*enter, *clean, path, *login], check=False).returncode

    # -- making ---------------------------------------------------------------------------------

    def _bring_up(self, names: list[str]) -> None:
        controller = read_controller()
        fresh = [name for name in names if name not in self._names()]
        with locked(self._cache / "base.lock"):
            base = ensure_base(self._cache, controller, self._say)
        started: list[str] = []
        try:
            subnet = self._subnet() if any(map(self._running, self._names())) else None
            subnet = subnet or self._network.choose(read_resolv_conf(), self._subnet())
            write_whole(self._state / "subnet", f"{subnet}\n")
            self._network.up(subnet)
            begun = time.monotonic()
            for name in names:
                started.append(name)
                if name in fresh:
                    self._make(name, base, controller)
                self._start(name, controller, subnet)
            for name in names:
                self._await(name)
                self._say(f"sandbox: {name} answers over SSH ({time.monotonic() - begun:.1f} s)")
        except BaseException:
            for name in started:
                if name in fresh:
                    self._remove(name)
                else:
                    machine.stop(self._container(name))
            self._network_down_if_empty()
            raise

    def _make(self, name: str, base: Path, controller: Controller) -> None:
        begun = time.monotonic()
        folder = self._folder(name)
        remove_tree(folder)
        folder.mkdir(parents=True, mode=0o700)
        root = folder / "root"
        run(["cp", "-a", "--reflink=auto", base, root], timeout=600)
        login, host = fresh_key_pair(), fresh_key_pair()
        identity = Identity(
            name, uuid.uuid4().hex, login.public, host.private.reveal(), host.public
        )
        write_files(root, {**base_files(controller), **box_files(identity)})
        write_whole(folder / "key", login.private.reveal(), 0o600)
        write_whole(folder / "key.pub", login.public + "\n")
        used = [self._record(other).host for other in self._names()]
        number = next_host(self._subnet() or IPv4Network("10.0.0.0/24"), used)
        record = _Record(number, host.public)
        # Written last: a folder without it is half-made, and made anew by the next `up`.
        write_whole(folder / "box.json", json.dumps(asdict(record)) + "\n")
        self._say(f"sandbox: {name} copied from the base tree ({time.monotonic() - begun:.1f} s)")

    def _start(self, name: str, controller: Controller, subnet: IPv4Network) -> None:
        container = self._container(name, controller)
        machine.stop(container)
        address = f"{address_of(subnet, self._record(name).host)}/24"
        gateway = str(address_of(subnet, 1))
        files = network_files(address, gateway, read_resolv_conf())
        write_files(container.folder / "root", files)
        (self._cache / "pip-cache").mkdir(parents=True, exist_ok=True)
        machine.start(container)

    def _await(self, name: str) -> None:
        container, address = self._container(name), self._box(name).address
        if not wait_until(lambda: machine.is_ready(container, address), _BOOT_SECONDS):
            raise SandboxError(
                f"box {name} did not answer over SSH within {_BOOT_SECONDS:.0f} s",
                detail=machine.console_tail(container),
            )

    # -- removing -------------------------------------------------------------------------------

    def _remove(self, name: str) -> None:
        machine.stop(self._container(name))
        remove_tree(self._folder(name))
        self._network_down_if_empty()

    def _network_down_if_empty(self) -> None:
        if not any(self._running(name) for name in self._names()):
            self._network.down()

    # -- what is there --------------------------------------------------------------------------

    def _container(self, name: str, controller: Controller | None = None) -> Container:
        return Container(
            name,
            self._folder(name),
            self._labels,
            read_only=controller.binds if controller else (),
            writable={"/root/.cache/pip": self._cache / "pip-cache"},
        )

    def _names(self) -> list[str]:
        return sorted(path.parent.name for path in self._state.glob("boxes/*/box.json"))

    def _running(self, name: str) -> bool:
        return self._container(name).supervisor is not None

    def _record(self, name: str) -> _Record:
        return _Record(**json.loads((self._folder(name) / "box.json").read_text()))

    def _subnet(self) -> IPv4Network | None:
        path = self._state / "subnet"
        return IPv4Network(path.read_text().strip()) if path.exists() else None

    def _box(self, name: str) -> Box:
        subnet = self._subnet()
        if subnet is None:
            raise SandboxError(f"{self._state / 'subnet'} is missing: remove {self._state}")
        return Box(
            name=name,
            address=str(address_of(subnet, self._record(name).host)),
            port=22,
            user=ADMIN,
            key_file=self._folder(name) / "key",
            state="running" if self._running(name) else "stopped",
            driver="nspawn",
        )

    def _write_entries(self, forget: Sequence[str] = ()) -> None:
        entries = [Entry(self._box(name), self._record(name).host_key) for name in self._names()]
        write_entries(self._inventory, entries, forget)
