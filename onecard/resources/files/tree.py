"""A folder of this computer, copied to the box."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from onecard.errors import PreflightError, UsageError
from onecard.resources.base import Differences, Resource, State, Upload, Value
from onecard.ssh.answer_lines import size_text
from onecard.ssh.probe_batch import Answer

_GIB = 2**30
_SPARE = 256 * 2**20  # bytes that stay free on the disk
_FREE = "/"
_NOTE = ".onecard-digests"
_STAMP = "'%s %T@ %p'"
# Lines `DIGEST  ./NAME`: from the note where size, time and name match it, else computed.
_LIST = f"""{{
  note={_NOTE}; [ -f $note ] || note=/dev/null
  find . -type f ! -name {_NOTE} -printf {_STAMP}'\\n' | awk '
    noted {{ digest = $1; sub(/^[^ ]+ /, ""); known[$0] = digest; next }}
    {{ name = $0; sub(/^[^ ]+ [^ ]+ /, "", name)
      print (($0 in known) ? known[$0] : "?") "  " name }}
  ' noted=1 $note noted=0 - | while IFS= read -r line; do
    case "$line" in "?  "*) sha256sum -- "${{line#"?  "}}" ;; *) printf '%s\\n' "$line" ;; esac
  done
}}"""


def fingerprint(source: Path) -> str:
    """Return a short fingerprint of a folder's names and contents. Raises UsageError if empty."""
    files = Tree("", source).desired()
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Tree(Resource):
    """The files of `source`, compared by SHA-256; other files in `path` stay.

    A file's digest is noted beside the files when it is copied, and is valid while its size and
    time are unchanged. Complete files of an interrupted upload are not sent again.
    """

    path: str
    source: Path

    @property
    def name(self) -> str:
        return f"folder {self.path}"

    def probe(self) -> str:
        path, stage = shlex.quote(self.path), shlex.quote(self._stage)
        return (
            f"room={path}\n"
            'while [ ! -e "$room" ]; do room=$(dirname "$room"); done\n'
            'avail=$(df -B1 --output=avail -- "$room") && echo "free ${avail##*[!0-9]}"\n'
            f"[ ! -d {stage} ] || (cd {stage} && "
            "find . -type f -exec sha256sum {} + | sed 's/^/staged /')\n"
            f"[ ! -d {path} ] || (cd {path} && {_LIST})"
        )

    def read(self, answer: Answer) -> State:
        """Return name -> digest; keys with a leading slash are the free space and staged files."""
        state: dict[str, Value] = {}
        for line in answer.output.splitlines():
            if line.startswith("free "):
                state[_FREE] = int(line.removeprefix("free "))
            else:
                digest, name = line.split("  ./", 1)
                staged = digest.startswith("staged ")
                state[f"/{name}" if staged else name] = digest.removeprefix("staged ")
        return state

    def desired(self) -> State:
        files = self._files()
        if not files:
            raise UsageError(f"model.source: the folder {self.source} is empty or does not exist")
        return {name: _digest(path, path.stat().st_mtime_ns) for name, path in files.items()}

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        """Return the missing files. Raises PreflightError if the disk is too small."""
        missing = [
            name
            for name, difference in differences.items()
            if actual.get(f"/{_hashed(name)}") != difference.desired
        ]
        files = {name: self.source / name for name in missing}
        size = sum(path.stat().st_size for path in files.values())
        free = actual.get(_FREE)
        if isinstance(free, int) and size + _SPARE > free:
            raise PreflightError(
                f"model.source: {self.source} takes {size_text(size / _GIB)} more and "
                f"{size_text(_SPARE / _GIB)} to spare, and {self.path} has "
                f"{size_text(free / _GIB)} free: free disk space, or rent a larger disk"
            )
        return tuple(Upload(self._staged(name), path) for name, path in files.items())

    def fix(self, differences: Differences, actual: State) -> str:
        lines = []
        for name in differences:
            staged, target = shlex.quote(self._staged(name)), shlex.quote(f"{self.path}/{name}")
            file = shlex.quote(f"./{name}")
            lines += [
                f'mkdir -p -- "$(dirname {target})"',
                f"chmod 0644 {staged}",
                f"mv -fT -- {staged} {target}",
                f"(cd {shlex.quote(self.path)} && echo \"$(sha256sum <{file} | cut -d' ' -f1) "
                f'$(find {file} -printf {_STAMP})" >>{_NOTE})',
            ]
        return "\n".join([*lines, f"rm -rf {shlex.quote(self._stage)}"])

    @property
    def _stage(self) -> str:
        return f"{self.path}.onecard-new"

    def _staged(self, name: str) -> str:
        return f"{self._stage}/{_hashed(name)}"

    def _files(self) -> dict[str, Path]:
        found = (path for path in sorted(self.source.rglob("*")) if path.is_file())
        return {path.relative_to(self.source).as_posix(): path for path in found}


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@cache
def _digest(path: Path, modified: int) -> str:
    """Return a file's SHA-256, cached until it is modified (time in ns)."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
