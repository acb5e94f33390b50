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
            f"find /etc/systemd/system -mindepth 2 -name {unit} -printf 'link %p\\n'\n"
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
    """A file or a folder with everything in it.

    wipe: its files are overwritten first, where the file system writes in place.
    """

    path: str
    wipe: bool = False

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> str:
        path = shlex.quote(self.path)
        return f"[ ! -e {path} ] && [ ! -L {path} ] || du -sh -- {path} | cut -f1"

    def fix(self, differences: Differences, actual: State) -> str:
        path = shlex.quote(self.path)
        return f"{wiped(path)}\nrm -rf -- {path}" if self.wipe else f"rm -rf -- {path}"


def wiped(path: str) -> str:
    """Return shell that overwrites every file below a path and says how; the path is quoted.

    A file system that copies on write, or keeps a journal of data, writes elsewhere: there shred
    would only pretend.
    """
    return (
        f"case $(stat -f -c %T {path} 2>/dev/null) in\n"
        f"  ext2/ext3|xfs) find {path} -type f -exec shred -n 1 {{}} + ;;\n"
        '  "") ;;\n'
        f'  *) echo "not overwritten: $(stat -f -c %T {path}) does not write in place" ;;\n'
        "esac"
    )


@dataclass(frozen=True)
class NoAccount(Absence):
    """A system account of ours, its processes, and files of its own anywhere on local disks.

    home: an account with another home, or one that a person logs in with, is not ours and stays.
    """

    login: str
    home: str

    @property
    def name(self) -> str:
        return f"account {self.login}"

    def probe(self) -> str:
        login = shlex.quote(self.login)
        return (
            f"entry=$(getent passwd {login}) || exit 0\n"
            f'[ "$(echo "$entry" | cut -d: -f6)" = {self.home} ] || exit 0\n'
            f'uid=$(id -u {login}); [ "$uid" -lt 1000 ] || exit 0\n'
            'echo "uid $uid"\n'
            'count=$(ps -o pid= -u "$uid" | wc -l); [ "$count" = 0 ] || echo "$count processes"\n'
        )

    def fix(self, differences: Differences, actual: State) -> str:
        login = shlex.quote(self.login)
        return (
            f"uid=$(id -u {login})\n"
            f"{KILLED}\n"
            "df -l --output=target -x devtmpfs | tail -n +2 | while read -r disk; do\n"
            '  find "$disk" -xdev -uid "$uid" -delete 2>/dev/null || true\ndone\n'
            f"userdel {login}\n"
            f"if getent group {login} >/dev/null; then groupdel {login}; fi"
        )


# Ends every process of $uid: asks first, and after 10 s no longer.
KILLED = """\
for try in $(seq 100); do
  pids=$(ps -o pid= -u "$uid") || break
  signal=TERM; [ "$try" -lt 50 ] || signal=KILL
  kill -s "$signal" $pids 2>/dev/null || true
  sleep 0.2
done"""
