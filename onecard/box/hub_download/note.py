"""The note beside a model's files: the digest of each verified file."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # urllib is not needed to read a note
    from onecard.box.hub_download.repository import RepositoryFile

NOTE = ".onecard-revision"


CHUNK = 2**20


def digest_of(path: Path, like: str) -> str:
    """Return a file's digest, of the same kind as `like` (`git:...` or `sha256:...`)."""
    if like.startswith("git:"):
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return f"{like.partition(':')[0]}:{digest.hexdigest()}"


class Note:
    """The file beside the model with its verified files, and their commit.

    `file=DIGEST SIZE MTIME PATH` for each verified file; `commit=` and `asked=` (the requested
    revision) once all are verified. A file with another size or time is verified again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NOTE
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[str, str, str]] = {}
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        for line in lines:
            key, _, value = line.partition("=")
            if key == "file" and value.count(" ") >= 3:
                digest, size, mtime, path = value.split(" ", 3)
                self._rows[path] = (digest, size, mtime)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths of the verified files."""
        return tuple(self._rows)

    def is_verified(self, file: RepositoryFile) -> bool:
        """Return whether the file is unchanged since it was verified."""
        target = self._folder / file.path
        return target.is_file() and self._rows.get(file.path) == _row(target, file.digest)

    def add(self, file: RepositoryFile) -> None:
        """Record that a file has been verified."""
        with self._lock:
            self._rows[file.path] = _row(self._folder / file.path, file.digest)
            self._write("")

    def remove(self, path: str) -> None:
        """Remove a file, and its record."""
        with self._lock:
            self._rows.pop(path, None)
            self._write("")
        (self._folder / path).unlink(missing_ok=True)

    def close(self, commit: str, requested: str) -> None:
        """Record that all files are verified."""
        self._write(f"commit={commit}\nasked={requested}\n")

    def _write(self, end: str) -> None:
        rows = "".join(f"file={' '.join(row)} {path}\n" for path, row in self._rows.items())
        new = self._path.with_suffix(".new")
        new.write_text(rows + end)
        new.replace(self._path)


def _row(target: Path, digest: str) -> tuple[str, str, str]:
    found = target.stat()
    return digest, str(found.st_size), str(int(found.st_mtime))
