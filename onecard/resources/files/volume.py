"""A folder on a volume, which must be able to give files a mode, and mostly an owner."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State
from onecard.ssh.probe_batch import Answer

_ROOT, _NOBODY = 0, 65534


@dataclass(frozen=True)
class VolumeFolder(Resource):
    """A folder of root's on a volume that respects owners and modes, as a network volume may not.

    Keys are readable by root alone, and the server writes as an account of its own. The proof is a
    file in the folder, made once.

    owners: False where the server runs as root: files are root's, and modes are enough.
    """

    path: str
    owners: bool = True

    @property
    def name(self) -> str:
        return f"volume folder {self.path}"

    def probe(self) -> str:
        return f"stat -c %u:%a -- {self._proof} 2>/dev/null || true"

    def read(self, answer: Answer) -> State:
        return {"owners and modes": answer.output.strip() == f"{self._owner}:600"}

    def desired(self) -> State:
        return {"owners and modes": True}

    def fix(self, differences: Differences, actual: State) -> str:
        path, proof = shlex.quote(self.path), self._proof
        return (
            f"mkdir -p -- {path} && chmod 0755 {path}\n"
            f"rm -f -- {proof}; : >{proof}\n"
            f"{{ chown {self._owner}:{self._owner} {proof} && chmod 0600 {proof} && "
            f'[ "$(stat -c %u:%a -- {proof})" = {self._owner}:600 ]; }} || '
            f"{{ rm -f -- {proof}; echo {shlex.quote(self._refusal)}; exit 1; }}"
        )

    @property
    def _refusal(self) -> str:
        as_root = "service_user: root, which needs no account of the server's own; or "
        return (
            f"error: the volume of {self.path} refuses to change a file's owner or mode: keys and "
            f"the server's account need both; set {as_root if self.owners else ''}root: to a "
            "folder of another volume, or to /opt/onecard, which a stop of the pod deletes"
        )

    @property
    def _owner(self) -> int:
        return _NOBODY if self.owners else _ROOT

    @property
    def _proof(self) -> str:
        return shlex.quote(f"{self.path}/.owners")
