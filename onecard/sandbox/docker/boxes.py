"""The Docker driver: boxes as containers, for an engine without root. Commands are pure."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from onecard.box.atomic_write import write_whole
from onecard.errors import SandboxError
from onecard.sandbox.common.backend import Box, BoxState
from onecard.sandbox.common.certificates import certificates
from onecard.sandbox.common.controller import BUNDLE, Controller, read_controller
from onecard.sandbox.common.entries import Entry, write_entries
from onecard.sandbox.common.furnish import (
    ADMIN,
    Identity,
    TreeFile,
    base_files,
    box_files,
    certificate_files,
)
from onecard.sandbox.common.keys import fresh_key_pair
from onecard.sandbox.common.names import unique
from onecard.sandbox.common.pod import limits_of_this_computer, pod_files
from onecard.sandbox.common.project import (
    ProjectBoxes,
    recreated,
    refuse_systemd,
    refuse_unknown,
)
from onecard.sandbox.common.system import remove_tree, run, succeeds, wait_until
from onecard.sandbox.docker import commands
from onecard.sandbox.nspawn.container import greets

_ADDRESS = "127.0.0.1"
_BOOT_SECONDS = 120.0
_BUILD_SECONDS = 1800.0


@dataclass(frozen=True)
class _ContainerRecord:
    """What box.json stores: public host key, and kind of box."""

    host_key: str
    systemd: bool = True


def docker_responds() -> bool:
    """Return whether a Docker engine that this user may use responds."""
    return shutil.which("docker") is not None and succeeds(["docker", "info"], timeout=15)


class DockerDriver(ProjectBoxes):
    """Boxes of one project as containers, SSH published on the loopback.

    One with systemd is privileged; a pod is a plain container with a volume.
    """

    def up(self, names: Sequence[str], systemd: bool = True) -> list[Box]:
        """Create or start the named boxes; return when every one accepts SSH.

        systemd: False makes pods. A box that exists stays what it is: UsageError when a pod is
        requested and the box has systemd.
        """
        wanted = unique(names)
        with self._locked():
            if not systemd:
                refuse_systemd([box for box in self.boxes() if box.name in wanted])
            states = self._states()
            pending = [name for name in wanted if states.get(name) != "running"]
            if pending:
                self._bring_up(pending, states, systemd)
            self._write_entries()
            return [box for box in self.boxes() if box.name in wanted]

    def restart(self, name: str) -> Box:
        """Stop and start a box; return when it accepts SSH.

        A pod is a new container then, with a new host key that known_hosts is not given; only its
        volume stays.
        """
        states = self._states()
        refuse_unknown([name], sorted(states))
        with self._locked():
            run(["docker", "stop", commands.container(self._labels, name)], timeout=60)
            self._bring_up([name], states)
            [box] = [box for box in self.boxes() if box.name == name]
            self._write_entries(not_trusted="" if box.systemd else name)
            if not box.systemd:
                self._say(recreated(box))
            return box

    def boxes(self) -> list[Box]:
        """Return this project's boxes in the order of their names."""
        return [self._box(name, state) for name, state in sorted(self._states().items())]

    def down(self, names: Sequence[str] | None, caches: bool = False) -> list[str]:
        """Remove the named boxes (None: all) and everything of them; return their names."""
        with self._locked():
            present = self.boxes()
            going = [box.name for box in present] if names is None else list(unique(names))
            refuse_unknown(going, [box.name for box in present])
            forget = [f"[{box.address}]:{box.port}" for box in present if box.name in going]
            for name in going:
                self._remove(name)
                self._say(f"sandbox: {name} removed")
            self._write_entries(forget)
            if caches:
                for image in run(commands.images(self._labels)).split():
                    run(["docker", "image", "rm", image])
                remove_tree(self._cache / "pip-cache")
            return going

    def shell(self, name: str) -> int:
        """Open a root shell in the box on this terminal; return its exit code."""
        refuse_unknown([name], sorted(self._states()))
        return subprocess.run(commands.shell(self._labels, name), check=False).returncode

    def _bring_up(
        self, names: Sequence[str], states: Mapping[str, BoxState], systemd: bool = True
    ) -> None:
        controller = read_controller()
        fresh = [name for name in names if name not in states]
        begun = time.monotonic()
        try:
            for name in names:
                kind = systemd if name in fresh else self._record(name).systemd
                if name in fresh or not kind:
                    self._make(name, self._ensure_image(controller, kind), controller, kind)
                run(["docker", "start", commands.container(self._labels, name)])
            for name in names:
                self._await(name)
                self._say(f"sandbox: {name} answers over SSH ({time.monotonic() - begun:.1f} s)")
        except BaseException:
            for name in fresh:
                self._remove(name)
            raise

    def _ensure_image(self, controller: Controller, systemd: bool) -> str:
        recipe = commands.dockerfile(controller, systemd)
        setup = commands.SETUP if systemd else commands.POD_SETUP
        files = {
            **base_files(controller),
            **certificate_files(certificates(controller.bundle)),
            BUNDLE: TreeFile(controller.bundle.encode()),
        }
        content = (recipe + setup).encode() + archive(files)
        image = commands.image(self._labels, hashlib.sha256(content).hexdigest()[:8])
        if succeeds(["docker", "image", "inspect", image]):
            return image
        begun = time.monotonic()
        self._say(f"sandbox: building the image {image}, once")
        with tempfile.TemporaryDirectory() as context:
            (Path(context) / "Dockerfile").write_text(recipe)
            (Path(context) / "setup.sh").write_text(setup)
            (Path(context) / "files.tar").write_bytes(archive(files))
            run(commands.build(self._labels, image, context), timeout=_BUILD_SECONDS)
        self._say(f"sandbox: image ready ({time.monotonic() - begun:.1f} s)")
        return image

    def _make(self, name: str, image: str, controller: Controller, systemd: bool = True) -> None:
        """Make the container anew. A pod's volume and login key stay."""
        folder = self._folder(name)
        if systemd or not (folder / "box.json").exists():
            self._remove(name)
            folder.mkdir(parents=True, mode=0o700)
            login = fresh_key_pair()
            write_whole(folder / "key", login.private.reveal(), 0o600)
            write_whole(folder / "key.pub", login.public + "\n")
        self._remove_container(name)
        (self._cache / "pip-cache").mkdir(parents=True, exist_ok=True)
        host, public = fresh_key_pair(), (folder / "key.pub").read_text().strip()
        identity = Identity(name, uuid.uuid4().hex, public, host.private.reveal(), host.public)
        if systemd:
            files = box_files(identity)
            cache = self._cache / "pip-cache"
            run(commands.create(self._labels, name, image, controller.binds, cache))
        else:
            files = pod_files(controller, identity)
            allowed = limits_of_this_computer()
            run(commands.create_pod(self._labels, name, image, controller.binds, allowed))
        # The engine writes the container's name and name servers.
        own = {k: v for k, v in files.items() if k not in commands.ENGINE_FILES}
        copy = ["docker", "cp", "-", f"{commands.container(self._labels, name)}:/"]
        run(copy, given=archive(own))
        record = _ContainerRecord(host.public, systemd)
        write_whole(folder / "box.json", json.dumps(asdict(record)) + "\n")

    def _await(self, name: str) -> None:
        def ready() -> bool:
            if not greets(_ADDRESS, self._port(name)):
                return False
            booted = commands.is_booted(self._labels, name)
            return succeeds(booted) if self._record(name).systemd else True

        if not wait_until(ready, _BOOT_SECONDS, 0.3):
            raise SandboxError(
                f"box {name} did not answer over SSH within {_BOOT_SECONDS:.0f} s: "
                f"`docker logs {commands.container(self._labels, name)}` says more"
            )

    def _remove(self, name: str) -> None:
        self._remove_container(name)
        volume = commands.volume(self._labels, name)
        if succeeds(["docker", "volume", "inspect", volume]):
            run(["docker", "volume", "rm", volume])
        remove_tree(self._folder(name))

    def _remove_container(self, name: str) -> None:
        container = commands.container(self._labels, name)
        if succeeds(["docker", "container", "inspect", container]):
            run(["docker", "rm", "--force", "--volumes", container], timeout=60)

    def _states(self) -> dict[str, BoxState]:
        return commands.parse_list(run(commands.list_boxes(self._labels)), self._labels)

    def _port(self, name: str) -> int:
        if self._states().get(name) != "running":
            return 0
        return commands.parse_port(run(commands.port(self._labels, name)))

    def _record(self, name: str) -> _ContainerRecord:
        return _ContainerRecord(**json.loads((self._folder(name) / "box.json").read_text()))

    def _box(self, name: str, state: BoxState) -> Box:
        systemd = self._record(name).systemd
        user, key = ADMIN if systemd else "root", self._folder(name) / "key"
        return Box(name, _ADDRESS, self._port(name), user, key, state, "docker", systemd)

    def _write_entries(self, forget: Sequence[str] = (), not_trusted: str = "") -> None:
        entries = [
            Entry(box, None if box.name == not_trusted else self._record(box.name).host_key)
            for box in self.boxes()
        ]
        write_entries(self._inventory, entries, forget)


def archive(files: Mapping[str, TreeFile]) -> bytes:
    """Return path -> file as a tar archive, reproducible byte by byte."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, file in sorted(files.items()):
            entry = tarfile.TarInfo(os.path.relpath(path, "/"))
            entry.size, entry.mode = len(file.content), file.mode
            entry.uid = entry.gid = file.owner
            tar.addfile(entry, io.BytesIO(file.content))
    return out.getvalue()
