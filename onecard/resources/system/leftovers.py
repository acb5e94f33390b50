"""What a server may leave on a box beside its files: its account, processes, port, GPU memory.

A process is onecard's if it runs as the service account or from onecard's folder. Other processes
and files stay and are not reported.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.box.paths import HOME
from onecard.credentials.secret import Secret
from onecard.resources.absent import Absence
from onecard.resources.base import Differences, State

_WAIT = 30  # seconds for a process to end, and for its memory to be freed
_SEARCH = 300  # seconds for the search through files
_SMI = "timeout 20 nvidia-smi"  # it hangs on a card that fell off the bus
_MIB = 1024  # of GPU memory that a driver may use without any process


def _ours(uid: int | None) -> str:
    """Return shell that defines `ours PID`.

    A process in a container on the box is not onecard's. The executable is compared as well as the
    command: vLLM's workers rename themselves.
    """
    owner = f'[ "$(stat -c %u "/proc/$1")" = {uid} ] && return\n' if uid is not None else ""
    return (
        "here=$(readlink /proc/self/ns/pid)\n"
        f"home=$(readlink -f {HOME})\n"  # on a volume it is a link
        # A container's root may not read it of another account's process.
        'ours() {\n  there=$(readlink "/proc/$1/ns/pid")\n'
        '  [ "${there:-$here}" = "$here" ] || return\n'
        f"  {owner}"
        '  { readlink "/proc/$1/exe"; tr "\\0" "\\n" <"/proc/$1/cmdline" | head -n 2; } '
        f'| grep -q -e "^{HOME}/" -e "^$home/"\n}} 2>/dev/null\n'
    )


def _our_processes(uid: int | None) -> str:
    """Return shell that defines `pids`, which prints every process of onecard."""
    account = f"find /proc -maxdepth 1 -name '[0-9]*' -uid {uid}; " if uid is not None else ""
    return (
        f"{_ours(uid)}"
        # A large box has thousands of processes: /proc is scanned once for each criterion.
        f'pids() {{ {{ {account}find /proc -maxdepth 2 -name exe -lname "$home/*"; '
        f"grep -lzs '^{HOME}/' /proc/[0-9]*/cmdline; }} 2>/dev/null "
        "| sed 's|/proc/\\([0-9]*\\).*|\\1|' | sort -un "
        '| while read -r each; do if ours "$each"; then echo "$each"; fi; done; }\n'
    )


@dataclass(frozen=True)
class NoProcesses(Absence):
    """No process of the service account, nor one run from onecard's folder.

    uid: the account's, None when there is none.
    """

    uid: int | None

    @property
    def name(self) -> str:
        return "processes of the server"

    def probe(self) -> str:
        return (
            f"{_our_processes(self.uid)}"
            'for pid in $(pids); do echo "pid $pid $(cat "/proc/$pid/comm" 2>/dev/null)"; done'
        )

    def fix(self, differences: Differences, actual: State) -> str:
        return (
            f"{_our_processes(self.uid)}"
            "signal=TERM\n"
            f"for try in $(seq {_WAIT * 5}); do\n"
            f'  [ "$try" -lt {_WAIT * 3} ] || signal=KILL\n'
            '  found=$(pids); [ -n "$found" ] || break\n'
            '  kill -s "$signal" $found 2>/dev/null || true\n'
            "  sleep 0.2\n"
            "done"
        )


@dataclass(frozen=True)
class NoListener(Absence):
    """No process of onecard listens on the port."""

    port: int
    uid: int | None

    @property
    def name(self) -> str:
        return f"port {self.port}"

    def probe(self) -> str:
        # Without ss, as in a container: the kernel's table has the owner of each socket.
        owned = f'$4 == "0A" && $2 ~ /:{self.port:04X}$/ && $8 == {self.uid}'
        tables = "/proc/net/tcp /proc/net/tcp6"
        account = f"awk '{owned} {{ print \"uid \" $8 }}' {tables} 2>/dev/null | sort -u"
        return (
            "if ! command -v ss >/dev/null; then\n"
            f"{':' if self.uid is None else account}\nexit 0\nfi\n"
            f"{_ours(self.uid)}"
            f"sockets=$(ss -Hltnp 'sport = :{self.port}')\n"
            'for pid in $(echo "$sockets" | grep -o "pid=[0-9]*" | cut -c5- | sort -u); do\n'
            '  if ours "$pid"; then echo "pid $pid"; fi\ndone'
        )

    def fix(self, differences: Differences, actual: State) -> str:
        return "true"  # NoProcesses ends its process


@dataclass(frozen=True)
class NoGpuMemory(Absence):
    """No process of onecard on a GPU, and no memory left by a dead one."""

    uid: int | None

    @property
    def name(self) -> str:
        return "GPU memory"

    def probe(self) -> str:
        return (
            "command -v nvidia-smi >/dev/null || exit 0\n"
            f"{_ours(self.uid)}"
            f"apps=$({_SMI} --query-compute-apps=pid --format=csv,noheader) || exit 0\n"
            'for pid in $apps; do if ours "$pid"; then echo "pid $pid"; fi; done\n'
            f'[ -n "$apps" ] || {_SMI} --query-gpu=index,memory.used '
            "--format=csv,noheader,nounits "
            f"| awk -F ', ' '$2 > {_MIB} {{ print $2 \" MiB on GPU \" $1 \" by no process\" }}'"
        )

    def fix(self, differences: Differences, actual: State) -> str:
        return (
            f"for try in $(seq {_WAIT}); do\n"
            f"  found=$( {self.probe()} )\n"
            '  [ -n "$found" ] || break\n'
            "  sleep 1\n"
            "done"
        )


@dataclass(frozen=True)
class NoFilesOf(Absence):
    """No file that belongs to the account's number, on any local disk."""

    uid: int

    @property
    def name(self) -> str:
        return f"files of uid {self.uid}"

    def probe(self) -> str:
        return f"{self._each} -print 2>/dev/null | head -n 2; done"

    def fix(self, differences: Differences, actual: State) -> str:
        return f"{self._each} -depth -delete; done"

    @property
    def _each(self) -> str:
        return (
            "df -l --output=target -x devtmpfs | tail -n +2 | while read -r disk; do "
            f'find "$disk" -xdev -uid {self.uid}'
        )


@dataclass(frozen=True)
class NoAccount(Absence):
    """No account of this login and number, and no group of its name."""

    login: str
    uid: int | None

    @property
    def name(self) -> str:
        return f"account {self.login}"

    def probe(self) -> str:
        login = shlex.quote(self.login)
        if self.uid is None:
            return ":"
        return f'if [ "$(id -u {login} 2>/dev/null)" = {self.uid} ]; then echo uid {self.uid}; fi'

    def fix(self, differences: Differences, actual: State) -> str:
        login = shlex.quote(self.login)
        return f"userdel {login}\nif getent group {login} >/dev/null; then groupdel {login}; fi"


@dataclass(frozen=True)
class NoSecretTraces(Absence):
    """None of the secrets in the journal or in text files of the usual folders.

    The journal can only be removed as a whole; a user's file is reported and stays.
    """

    secrets: tuple[Secret, ...]
    folders: tuple[str, ...] = ("/etc", "/root", "/home", "/tmp", "/var/tmp", "/var/log")  # noqa: S108

    @property
    def name(self) -> str:
        return f"secrets in the journal and in files ({len(self.secrets)} searched for)"

    def probe(self) -> str:
        if not self.secrets:
            return ":"
        # In a file in memory during the search: every account of the box could read arguments.
        values = "\n".join(secret.reveal() for secret in self.secrets)
        return (
            "patterns=$(umask 077; mktemp /dev/shm/onecard-search.XXXXXX)\n"
            "trap 'rm -f \"$patterns\"' EXIT\n"
            f"cat >\"$patterns\" <<'@end'\n{values}\n@end\n"
            'lines=$(journalctl --no-pager -q -a -o cat 2>/dev/null | grep -cFf "$patterns")\n'
            '[ "${lines:-0}" = 0 ] || echo "$lines lines in the journal"\n'
            f"find {shlex.join(self.folders)} -xdev "
            "\\( -path /etc/onecard -o -path /var/log/journal -o -name .cache \\) -prune "
            "-o -type f -size -16M -print0 2>/dev/null "
            f'| timeout {_SEARCH} xargs -0 -r grep -lsIFf "$patterns"\n'
            f"[ $? != 124 ] || echo 'the search for files did not end in {_SEARCH} s'\n"
        )

    def fix(self, differences: Differences, actual: State) -> str:
        if "in the journal" not in str(actual["left"]):
            return "true"
        return "journalctl --rotate\njournalctl --vacuum-time=1s 2>&1"

    def advice(self) -> str:
        return "remove these files, or the secret from them, by hand"
