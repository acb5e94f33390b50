"""The systemd-nspawn driver: Debian trees booted on this computer, each with its own address."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from onecard.box.atomic_write import write_whole
from onecard.errors import SandboxError
from onecard.sandbox.common.backend import Box
from onecard.sandbox.common.controller import Controller, read_controller
from onecard.sandbox.common.entries import Entry, write_entries
from onecard.sandbox.common.furnish import ADMIN, Identity, base_files, box_files, network_files
from onecard.sandbox.common.keys import fresh_key_pair
from onecard.sandbox.common.names import unique
from onecard.sandbox.common.pod import WORKSPACE, pod_files
from onecard.sandbox.common.project import (
    ProjectBoxes,
    locked,
    recreated,
    refuse_systemd,
    refuse_unknown,
)
from onecard.sandbox.common.system import (
    Say,
    install_missing_programs,
    remove_tree,
    run,
    wait_until,
)
from onecard.sandbox.common.tree import write_files
from onecard.sandbox.nspawn import container as machine
from onecard.sandbox.nspawn import pod
from onecard.sandbox.nspawn.base import ensure_base
from onecard.sandbox.nspawn.container import NspawnContainer
from onecard.sandbox.nspawn.network import Bridge
from onecard.sandbox.nspawn.resolver import read_resolv_conf
from onecard.sandbox.nspawn.subnet import address_of, next_host

_BOOT_SECONDS = 90.0


@dataclass(frozen=True)
class _Record:
    """What box.json stores: host number in the subnet, public host key, kind of box."""

    host: int
    host_key: str
    systemd: bool = True


class NspawnDriver(ProjectBoxes):
    """Boxes of one project as trees of this computer's own release."""

    def __init__(self, project: Path, inventory: Path, say: Say, cache: Path | None = None) -> None:
        super().__init__(project, inventory, say, cache)
        self._network = Bridge(self._labels)

    def up(self, names: Sequence[str], systemd: bool = True) -> list[Box]:
        """Create or start the named boxes; return when every one accepts SSH.

        systemd: False makes pods. A box that exists stays what it is: UsageError when a pod is
        requested and the box has systemd.
        """
        wanted = unique(names)
        with self._locked():
            if not systemd:
                present = [name for name in wanted if name in self._names()]
                refuse_systemd([self._box(name) for name in present])
            install_missing_programs(self._say)
            pending = [name for name in wanted if not self._running(name)]
            if pending:
                self._bring_up(pending, systemd)
            self._write_entries()
            return [self._box(name) for name in wanted]

    def restart(self, name: str) -> Box:
        """Stop and start a box; return when it accepts SSH.

        A pod is a new tree then, with a new host key that known_hosts is not given; only its
        volume stays.
        """
        refuse_unknown([name], self._names())
        with self._locked():
            machine.stop(self._container(name))
            self._bring_up([name])
            box = self._box(name)
            self._write_entries(not_trusted="" if box.systemd else name)
            if not box.systemd:
                self._say(recreated(box))
            return box

    def boxes(self) -> list[Box]:
        """Return this project's boxes in the order of their names."""
        return [self._box(name) for name in self._names()]

    def down(self, names: Sequence[str] | None, caches: bool = False) -> list[str]:
        """Remove the named boxes (None: all) and everything of them; return their names."""
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
        if not self._record(name).systemd:
            enter += pod.drop_command()
        login = ["/bin/sh", "-c", "cd; exec bash -l"]
        return subprocess.run([*enter, *clean, path, *login], check=False).returncode

    # -- making ---------------------------------------------------------------------------------

    def _bring_up(self, names: list[str], systemd: bool = True) -> None:
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
                known = None if name in fresh else self._record(name)
                if known is None or not known.systemd:
                    self._make(name, base, controller, known or self._new_record(systemd))
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

    def _new_record(self, systemd: bool) -> _Record:
        used = [self._record(other).host for other in self._names()]
        number = next_host(self._subnet() or IPv4Network("10.0.0.0/24"), used)
        return _Record(number, "", systemd)

    def _make(self, name: str, base: Path, controller: Controller, record: _Record) -> None:
        """Make the tree anew. What lies in a pod's volume, and its login key, stay."""
        begun = time.monotonic()
        folder = self._folder(name)
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        root = folder / "root"
        remove_tree(root)
        run(["cp", "-a", "--reflink=auto", base.resolve(), root], timeout=3600)
        if not record.host_key:
            login = fresh_key_pair()
            write_whole(folder / "key", login.private.reveal(), 0o600)
            write_whole(folder / "key.pub", login.public + "\n")
        host, public = fresh_key_pair(), (folder / "key.pub").read_text().strip()
        identity = Identity(name, uuid.uuid4().hex, public, host.private.reveal(), host.public)
        if record.systemd:
            write_files(root, {**base_files(controller), **box_files(identity)})
        else:
            pod.strip(root)
            write_files(root, pod_files(controller, identity))
        # Written last: a folder without it is incomplete, and created again by the next `up`.
        complete = replace(record, host_key=host.public)
        write_whole(folder / "box.json", json.dumps(asdict(complete)) + "\n")
        self._say(f"sandbox: {name} copied from the base tree ({time.monotonic() - begun:.1f} s)")

    def _start(self, name: str, controller: Controller, subnet: IPv4Network) -> None:
        container = self._container(name, controller)
        machine.stop(container)
        address = f"{address_of(subnet, self._record(name).host)}/24"
        gateway = str(address_of(subnet, 1))
        files = network_files(address, gateway, read_resolv_conf(), container.systemd)
        write_files(container.folder / "root", files)
        for place in (container.writable or {}).values():
            place.mkdir(parents=True, exist_ok=True)
        machine.start(container)
        if not container.systemd:
            pid_one = machine.wait_for_leader(container)
            pod.seal(pid_one, container.machine)
            pod.connect(pid_one, address, gateway)

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

    # -- state ----------------------------------------------------------------------------------

    def _container(self, name: str, controller: Controller | None = None) -> NspawnContainer:
        systemd = name not in self._names() or self._record(name).systemd
        folder = self._folder(name)
        # A pod has no cache of the controller's: what it downloads, it has to keep itself.
        shared = {"/root/.cache/pip": self._cache / "pip-cache"}
        return NspawnContainer(
            name,
            folder,
            self._labels,
            read_only=controller.binds if controller else (),
            writable=shared if systemd else {WORKSPACE: folder / "workspace"},
            systemd=systemd,
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
        record = self._record(name)
        return Box(
            name=name,
            address=str(address_of(subnet, record.host)),
            port=22,
            user=ADMIN if record.systemd else "root",
            key_file=self._folder(name) / "key",
            state="running" if self._running(name) else "stopped",
            driver="nspawn",
            systemd=record.systemd,
        )

    def _write_entries(self, forget: Sequence[str] = (), not_trusted: str = "") -> None:
        entries = [
            Entry(self._box(name), None if name == not_trusted else self._record(name).host_key)
            for name in self._names()
        ]
        write_entries(self._inventory, entries, forget)
