"""What every driver keeps of one project's boxes: their folders, and the lock over them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from onecard.errors import UsageError
from onecard.sandbox.names import Labels
from onecard.sandbox.system import Say


class ProjectBoxes:
    """Boxes of one project.

    project: the clone, whose `.onecard/sandbox` holds them. inventory: the folder to show them in.
    say: takes a line of progress. cache: where base trees and the pip cache lie.
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
    """Raise UsageError for a name that no box has."""
    for name in names:
        if name not in present:
            there = ", ".join(present) or "none"
            raise UsageError(f"--name: there is no sandbox box {name!r} (there are: {there})")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made if need be, against other processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
