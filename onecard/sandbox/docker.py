"""The Docker driver: the same boxes where there is an engine but no root. Commands are pure."""

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
from pathlib import Path

from onecard.errors import SandboxError
from onecard.sandbox import docker_commands as commands
from onecard.sandbox.certificates import certificates
from onecard.sandbox.container import greets
from onecard.sandbox.controller import BUNDLE, Controller, read_controller
from onecard.sandbox.driver import Box, BoxState
from onecard.sandbox.entries import Entry, write_entries
from onecard.sandbox.furnish import (
    ADMIN,
    Identity,
    TreeFile,
    base_files,
    box_files,
    certificate_files,
)
from onecard.sandbox.keys import fresh_key_pair
from onecard.sandbox.names import unique
from onecard.sandbox.project import ProjectBoxes, refuse_unknown
from onecard.sandbox.system import remove_tree, run, succeeds, wait_until
from onecard.whole_file import write_whole

_ADDRESS = "127.0.0.1"
_BOOT_SECONDS = 120.0
_BUILD_SECONDS = 1800.0


def docker_answers() -> bool:
    """Tell whether a Docker engine that this user may use answers."""
    return shutil.which("docker") is not None and succeeds(["docker", "info"], timeout=15)


class DockerDriver(ProjectBoxes):
    """Boxes of one project as privileged containers, SSH published on the loopback."""

    def up(self, names: Sequence[str]) -> list[Box]:
        """Make or start the named boxes; return once every one answers over SSH."""
        wanted = unique(names)
        with self._locked():
            states = self._states()
            pending = [name for name in wanted if states.get(name) != "running"]
            if pending:
                self._bring_up(pending, states)
            self._write_entries()
            return [box for box in self.boxes() if box.name in wanted]

    def boxes(self) -> list[Box]:
        """Return this project's boxes in the order of their names."""
        return [
            Box(
                name, _ADDRESS, self._port(name), ADMIN, self._folder(name) / "key", state, "docker"
            )
            for name, state in sorted(self._states().items())
        ]

    def down(self, names: Sequence[str] | None, caches: bool = False) -> list[str]:
        """Remove the named boxes (None: all) with all that they left; return their names."""
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

    def _bring_up(self, names: Sequence[str], states: Mapping[str, BoxState]) -> None:
        controller = read_controller()
        image = self._ensure_image(controller)
        fresh = [name for name in names if name not in states]
        begun = time.monotonic()
        try:
            for name in names:
                if name in fresh:
                    self._make(name, image, controller)
                run(["docker", "start", commands.container(self._labels, name)])
            for name in names:
                self._await(name)
                self._say(f"sandbox: {name} answers over SSH ({time.monotonic() - begun:.1f} s)")
        except BaseException:
            for name in fresh:
                self._remove(name)
            raise

    def _ensure_image(self, controller: Controller) -> str:
        recipe = commands.dockerfile(controller)
        files = {
            **base_files(controller),
            **certificate_files(certificates(controller.bundle)),
            BUNDLE: TreeFile(controller.bundle.encode()),
        }
        content = (recipe + commands.SETUP).encode() + archive(files)
        image = commands.image(self._labels, hashlib.sha256(content).hexdigest()[:8])
        if succeeds(["docker", "image", "inspect", image]):
            return image
        begun = time.monotonic()
        self._say(f"sandbox: building the image {image}, once")
        with tempfile.TemporaryDirectory() as context:
            (Path(context) / "Dockerfile").write_text(recipe)
            (Path(context) / "setup.sh").write_text(commands.SETUP)
            (Path(context) / "files.tar").write_bytes(archive(files))
            run(commands.build(self._labels, image, context), timeout=_BUILD_SECONDS)
        self._say(f"sandbox: image ready ({time.monotonic() - begun:.1f} s)")
        return image

    def _make(self, name: str, image: str, controller: Controller) -> None:
        self._remove(name)
        folder = self._folder(name)
        folder.mkdir(parents=True, mode=0o700)
        (self._cache / "pip-cache").mkdir(parents=True, exist_ok=True)
        login, host = fresh_key_pair(), fresh_key_pair()
        identity = Identity(
            name, uuid.uuid4().hex, login.public, host.private.reveal(), host.public
        )
        binds = controller.binds
        run(commands.create(self._labels, name, image, binds, self._cache / "pip-cache"))
        # The engine itself writes the container's name and name servers.
        own = {k: v for k, v in box_files(identity).items() if k not in commands.ENGINE_FILES}
        copy = ["docker", "cp", "-", f"{commands.container(self._labels, name)}:/"]
        run(copy, given=archive(own))
        write_whole(folder / "key", login.private.reveal(), 0o600)
        write_whole(folder / "box.json", json.dumps({"host_key": host.public}) + "\n")

    def _await(self, name: str) -> None:
        def ready() -> bool:
            return greets(_ADDRESS, self._port(name)) and succeeds(
                commands.is_booted(self._labels, name)
            )

        if not wait_until(ready, _BOOT_SECONDS, 0.3):
            raise SandboxError(
                f"box {name} did not answer over SSH within {_BOOT_SECONDS:.0f} s: "
                f"`docker logs {commands.container(self._labels, name)}` says more"
            )

    def _remove(self, name: str) -> None:
        container = commands.container(self._labels, name)
        if succeeds(["docker", "container", "inspect", container]):
            run(["docker", "rm", "--force", "--volumes", container], timeout=60)
        remove_tree(self._folder(name))

    def _states(self) -> dict[str, BoxState]:
        return commands.parse_list(run(commands.list_boxes(self._labels)), self._labels)

    def _port(self, name: str) -> int:
        if self._states().get(name) != "running":
            return 0
        return commands.parse_port(run(commands.port(self._labels, name)))

    def _write_entries(self, forget: Sequence[str] = ()) -> None:
        entries = []
        for box in self.boxes():
            record = json.loads((self._folder(box.name) / "box.json").read_text())
            entries.append(Entry(box, record["host_key"]))
        write_entries(self._inventory, entries, forget)


def archive(files: Mapping[str, TreeFile]) -> bytes:
    """Return path -> file as a tar, the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, file in sorted(files.items()):
            entry = tarfile.TarInfo(os.path.relpath(path, "/"))
            entry.size, entry.mode = len(file.content), file.mode
            entry.uid = entry.gid = file.owner
            tar.addfile(entry, io.BytesIO(file.content))
    return out.getvalue()
