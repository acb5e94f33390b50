"""Things that are to be gone from a box: services, files, accounts, processes.

Each reads what is there into one key, `left`, which is to be `nothing`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State
from onecard.script import Answer

NOTHING = "nothing"


@dataclass(frozen=True)
class Absence(Resource):
    """What the probe prints, joined with commas, is what is left; an empty answer is nothing."""

    def read(self, answer: Answer) -> State:
        found = [line.strip() for line in answer.output.splitlines() if line.strip()]
        return {"left": ", ".join(found) or NOTHING}

    def desired(self) -> State:
        return {"left": NOTHING}


@dataclass(frozen=True)
class NoService(Absence):
    """A unit of ours that is stopped, disabled, removed, and unknown to systemd.

    sign: text in the unit's file without which it is somebody else's, and stays.
    """

    unit: str
    sign: str = "Written by onecard"

    @property
    def name(self) -> str:
        return f"service {self.unit}"

    def probe(self) -> str:
        unit, file = shlex.quote(self.unit), f"/etc/systemd/system/{self.unit}"
        return (
            f"if [ -e {file} ] && ! grep -q {shlex.quote(self.sign)} {file}; then exit 0; fi\n"
            f"[ ! -e {file} ] && [ ! -L {file} ] || echo unit file\n"
            f"state=$(systemctl show {unit} -p LoadState,ActiveState --value | paste -sd' ')\n"
            'case $state in "not-found inactive"|"") ;; *) echo "$state" ;; esac\n'
            f"find /etc/systemd/system -mindepth 2 -name {unit} "
            "| sed 's|.*/\\([^/]*\\)/[^/]*$|link in \\1|'"
        )

    def fix(self, differences: Differences, actual: State) -> str:
        unit, folder = shlex.quote(self.unit), "/etc/systemd/system"
        return (
            f"systemctl stop {unit} || systemctl kill -s KILL {unit} || true\n"
            f"rm -rf {folder}/{unit} {folder}/{unit}.d\n"
            f"find {folder} -mindepth 2 -name {unit} -delete\n"
            f"rmdir {folder}/{unit}.wants 2>/dev/null || true\n"
            f"systemctl daemon-reload\nsystemctl reset-failed {unit} 2>/dev/null || true"
        )


@dataclass(frozen=True)
class Gone(Absence):
    """A file or a folder with everything in it; one that is a mount is somebody else's, and stays.

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
    """Return shell that overwrites the files of a name below a path, and says how it went.

    A file system that copies on write keeps the old blocks: there shred would only pretend.
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
