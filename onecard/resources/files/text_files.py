"""Several small files in one folder, as one resource."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass

from onecard.resources.base import ABSENT, Differences, Resource, State
from onecard.resources.files.file import File
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class TextFiles(Resource):
    """Files below `path` with exactly these contents; other files there stay.

    files: name (with its folders) -> content.
    """

    path: str
    files: tuple[tuple[str, str], ...]
    mode: int = 0o644

    @property
    def name(self) -> str:
        return f"files in {self.path}"

    def probe(self) -> str:
        names = shlex.join(name for name, _ in self.files)
        return f"cd {shlex.quote(self.path)} 2>/dev/null || exit 0; sha256sum -- {names} || true"

    def read(self, answer: Answer) -> State:
        lines = sorted(answer.output.splitlines())
        return {"sha256": _digest("\n".join(lines))} if lines else ABSENT

    def desired(self) -> State:
        lines = (f"{_digest(content)}  {name}" for name, content in self.files)
        return {"sha256": _digest("\n".join(sorted(lines)))}

    def fix(self, differences: Differences, actual: State) -> str:
        return "\n".join(
            File(f"{self.path}/{name}", content, mode=self.mode).write()
            for name, content in self.files
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
