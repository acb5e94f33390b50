"""A wheelhouse: a folder of wheels of this computer, copied to a box without internet."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from onecard.resources.base import Differences, Resource, State, Upload
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class Wheels(Resource):
    """The wheels of `source`, compared by name and size.

    A wheel's name identifies its build, and hashing gigabytes at each probe would take longer than
    everything else. Other files in `path` stay.
    """

    path: str
    source: Path

    @property
    def name(self) -> str:
        return f"wheels {self.path}"

    def probe(self) -> str:
        path = shlex.quote(self.path)
        return f"[ ! -d {path} ] || find {path} -name '*.whl' -printf '%f %s\\n'"

    def read(self, answer: Answer) -> State:
        pairs = (line.rsplit(" ", 1) for line in answer.output.splitlines())
        return {name: int(size) for name, size in pairs}

    def desired(self) -> State:
        return {path.name: path.stat().st_size for path in sorted(self.source.glob("*.whl"))}

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        return tuple(Upload(f"{self._stage}/{name}", self.source / name) for name in differences)

    def fix(self, differences: Differences, actual: State) -> str:
        path, stage = shlex.quote(self.path), shlex.quote(self._stage)
        moves = [
            f"mv -fT {stage}/{shlex.quote(name)} {path}/{shlex.quote(name)}" for name in differences
        ]
        return "\n".join([f"mkdir -p {path}", *moves, f"rm -rf {stage}"])

    @property
    def _stage(self) -> str:
        return f"{self.path}.onecard-new"
