"""Things that must be absent from a box: services, files, accounts, processes.

Each reads what exists into one key, `left`; the desired value is `nothing`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State
from onecard.ssh.probe_batch import Answer

NOTHING = "nothing"


@dataclass(frozen=True)
class Absence(Resource):
    """What the probe prints, joined with commas, is what is left; no output means nothing."""

    def read(self, answer: Answer) -> State:
        found = [line.strip() for line in answer.output.splitlines() if line.strip()]
        return {"left": ", ".join(found) or NOTHING}

    def desired(self) -> State:
        return {"left": NOTHING}


@dataclass(frozen=True)
class NoService(Absence):
    """A unit of onecard that is stopped, disabled, removed, and unknown to the service manager.

    sign: text that marks the unit's file as onecard's; a file without it stays.
    """

    unit: str
    sign: str = "Written by onecard"

    @property
    def name(self) -> str:
        return f"service {self.unit}"

    def probe(self) -> str:
        unit = shlex.quote(self.unit)
        return (
            f"file=$(services file {unit})\n"
            f'if [ -e "$file" ] && ! grep -q {shlex.quote(self.sign)} "$file"; then exit 0; fi\n'
            f"services left {unit}"
        )

    def fix(self, differences: Differences, actual: State) -> str:
        return f"services remove {shlex.quote(self.unit)}"


@dataclass(frozen=True)
class NoPath(Absence):
    """No file or folder at this path; a mount point is not onecard's, and stays.

    wipe: names (with wildcards) of files in it that are overwritten first.
    """

    path: str
    wipe: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> str:
        path = shlex.quote(self.path)
        return (
            f"if mountpoint -q {path}; then exit 0; fi\n"
            f"[ ! -e {path} ] && [ ! -L {path} ] || du -sh -- {path} | cut -f1"
        )

    def fix(self, differences: Differences, actual: State) -> str:
        path = shlex.quote(self.path)
        return "\n".join([*(wiped(self.path, name) for name in self.wipe), f"rm -rf -- {path}"])


def wiped(path: str, name: str = "*") -> str:
    """Return shell that overwrites the files of a name below a path, and prints the result.

    Not on a copy-on-write file system: there shred writes to new blocks.
    """
    path, name = shlex.quote(path), shlex.quote(name)
    found = f"find {path} -type f -name {name}"
    return (
        f"files=$({found} 2>/dev/null | wc -l)\n"
        f"system=$(stat -f -c %T {path} 2>/dev/null || true)\n"
        "case $files:$system in\n"
        "  0:*) ;;\n"
        f"  *:ext2/ext3|*:xfs) {found} -exec shred -n 1 {{}} +\n"
        '    echo "wiped $files files overwritten" ;;\n'
        '  *) echo "wiped $files files removed, not overwritten: $system keeps old blocks" ;;\n'
        "esac"
    )


@dataclass(frozen=True)
class Removed(Absence):
    """Several things together, of which one path is the sign: a look at it costs next to nothing.

    path: there as long as anything is; the last of `parts` removes it.
    """

    what: str
    path: str
    parts: tuple[Resource, ...]

    @property
    def name(self) -> str:
        return self.what

    def probe(self) -> str:
        return f"[ ! -e {shlex.quote(self.path)} ] || echo {shlex.quote(self.path)}"

    def fix(self, differences: Differences, actual: State) -> str:
        return "\n".join(f"( {part.fix({}, {})}\n)" for part in self.parts)
