"""A folder of this computer, copied to the box."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from onecard.errors import UsageError
from onecard.resources.base import Differences, Resource, State, Upload
from onecard.script import Answer


def fingerprint(source: Path) -> str:
    """Return a short fingerprint of a folder's names and contents. Raises UsageError if empty."""
    files = Tree("", source).desired()
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Tree(Resource):
    """The files of `source`, each compared by its SHA-256; what else lies in `path` stays there."""

    path: str
    source: Path

    @property
    def name(self) -> str:
        return f"folder {self.path}"

    def probe(self) -> str:
        path = shlex.quote(self.path)
        return f"[ ! -d {path} ] || (cd {path} && find . -type f -exec sha256sum {{}} +)"

    def read(self, answer: Answer) -> State:
        pairs = (line.split("  ./", 1) for line in answer.output.splitlines())
        return {name: digest for digest, name in pairs}

    def desired(self) -> State:
        files = self._files()
        if not files:
            raise UsageError(f"model.source: the folder {self.source} is empty or not there")
        return {name: _digest(path, path.stat().st_mtime_ns) for name, path in files.items()}

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        return tuple(Upload(self._staged(name), self.source / name) for name in differences)

    def fix(self, differences: Differences, actual: State) -> str:
        lines = []
        for name in differences:
            staged = shlex.quote(self._staged(name))
            target = shlex.quote(f"{self.path}/{name}")
            lines += [
                f"install -D -m 0644 {staged} {target}.onecard-new",
                f"mv -fT {target}.onecard-new {target}",
            ]
        return "\n".join([*lines, f"rm -rf {shlex.quote(self._stage)}"])

    @property
    def _stage(self) -> str:
        return f"{self.path}.onecard-new"

    def _staged(self, name: str) -> str:
        return f"{self._stage}/{hashlib.sha256(name.encode()).hexdigest()}"

    def _files(self) -> dict[str, Path]:
        found = (path for path in sorted(self.source.rglob("*")) if path.is_file())
        return {path.relative_to(self.source).as_posix(): path for path in found}


@cache
def _digest(path: Path, modified: int) -> str:
    """Return a file's SHA-256, read once for as long as it is not modified (a time in ns)."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
