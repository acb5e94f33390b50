"""What all drivers share: the folders of a project's boxes, and the lock over them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from onecard.errors import UsageError
from onecard.sandbox.common.backend import Box
from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.system import Say


class ProjectBoxes:
    """Boxes of one project.

    project: the clone, whose `.onecard/sandbox` holds them. inventory: the folder to show them in.
    say: called with each progress line. cache: folder of base trees and the pip cache.
    """

    def __init__(self, project: Path, inventory: Path, say: Say, cache: Path | None = None) -> None:
        self._state = project.resolve() / ".onecard" / "sandbox"
        self._cache = cache.resolve() if cache else self._state
        self._inventory = inventory
        self._say = say
        self._labels = Labels.of(project)

    def _folder(self, name: str) -> Path:
        return self._state / "boxes" / name

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(self._state / "lock"):
            yield


def refuse_unknown(names: Sequence[str], present: Sequence[str]) -> None:
    """Raise UsageError for the name of an unknown box."""
    for name in names:
        if name not in present:
            known = ", ".join(present) or "none"
            raise UsageError(f"--name: there is no sandbox box {name!r} (existing: {known})")


def refuse_systemd(boxes: Sequence[Box]) -> None:
    """Raise UsageError for a box that has systemd."""
    for box in boxes:
        if box.systemd:
            raise UsageError(
                f"--no-systemd: the box {box.name} has systemd: take another --name, or remove it "
                f"first: invoke sandbox.down --name {box.name}"
            )


def recreated(pod: Box) -> str:
    """Return what to do after a restart of a pod."""
    return (
        f"sandbox: {pod.name} is a new tree with a new host key, and /workspace as it was: "
        f"invoke trust --host {pod.name} --replace"
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file against other processes; create the file if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
