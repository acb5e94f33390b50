"""Explain why a step could not write: a full disk, no inodes, a quota or a read-only mount.

The step's output shows the kind and often the path; `df` shows the mount and its free space. A
probe that runs after the step may see more free space, because the step's own files are gone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from onecard.box import paths
from onecard.errors import CommandError, DriftError, OnecardError, ProbeError, UnreachableError
from onecard.ssh.answer_lines import Lines, size_text, whole
from onecard.ssh.shell import Session

# df hangs for ever on a dead network mount; only KILL ends it.
DISK_PROBE = """\
timeout -s KILL 5 df -aPk 2>/dev/null | sed '1d; s/^/blocks=/'
timeout -s KILL 5 df -aPi 2>/dev/null | sed '1d; s/^/inodes=/'
awk '$4 ~ /^ro(,|$)/ { print "read_only=" $2 }' /proc/mounts
"""
_GIB = 1 << 20  # in KiB
_PROBE_TIMEOUT = 20.0  # s
_NONE_LEFT_GIB = 16 / 1024  # one allocation of a step may need more than the last blocks
_FEW_INODES = 100
_VENV_INODES = 100_000

# The messages of errno(3), and the numbers as Rust, Python and apt print them.
_KINDS = {
    "full": re.compile(r"No space left on device|\bENOSPC\b|os error 28\b|Errno 28\b"),
    "quota": re.compile(r"Disk quota exceeded|\bEDQUOT\b|os error 122\b|Errno 122\b"),
    "read-only": re.compile(r"Read-only file system|\bEROFS\b|os error 30\b|Errno 30\b"),
}
_PATH = re.compile(r"(?<![\w:/.])/[\w.+@%~/=,-]+")
_WRITTEN = (
    paths.VENVS, paths.UV_CACHE, paths.PYTHONS, paths.MODELS, paths.RELEASES, paths.HOME,
    paths.ETC, paths.STATE, paths.CACHE, "/usr", "/var/cache/apt/archives", "/var/lib/dpkg",
    "/var/lib/apt/lists", "/tmp", paths.JOB, "/",  # noqa: S108
)  # fmt: skip


@dataclass(frozen=True)
class Mount:
    """A mounted file system. inodes: free ones; None where they are not counted."""

    path: str
    total_gib: float
    free_gib: float
    inodes: int | None = None
    read_only: bool = False

    @property
    def empty(self) -> bool:
        """Return whether nothing more can be written."""
        return self.free_gib < min(_NONE_LEFT_GIB, self.total_gib / 20) or self.no_inodes

    @property
    def no_inodes(self) -> bool:
        """Return whether no more files can be created."""
        return self.inodes is not None and self.inodes < _FEW_INODES


def read_mounts(output: str) -> dict[str, Mount]:
    """Parse the output of DISK_PROBE: path -> mount, without pseudo file systems (size 0)."""
    values = Lines(output)
    counts = {}
    for line in values.all("inodes"):
        fields = line.split(None, 5)
        if len(fields) == 6 and whole(fields[1]):
            counts[fields[5]] = whole(fields[3])
    closed = set(values.all("read_only"))
    found = {}
    for line in values.all("blocks"):
        fields = line.split(None, 5)
        if len(fields) == 6 and (total := whole(fields[1])):
            path, free = fields[5], whole(fields[3]) or 0
            found[path] = Mount(path, total / _GIB, free / _GIB, counts.get(path), path in closed)
    return found


def explain(output: str, mounts: dict[str, Mount], needed_gib: float = 0) -> str:
    """Return why a step could not write and what to do, in one line; empty if unknown.

    output: of the failed step, in order. needed_gib: space that the step needs, 0 if unknown.
    """
    kind, path, nearby = _find_failure(output)
    tried = [found for each in (*nearby, *_WRITTEN) if (found := _mount_of(each, mounts))]
    at = _mount_of(path, mounts)
    if kind == "quota":
        where = f" at {path}" if path else ""
        free = f", although {at.path} has {size_text(at.free_gib)} free" if at else ""
        return (
            f"the disk quota is used up{where}{free}; remove files, or have the quota raised "
            "(quota -v shows it)"
        )
    if kind == "read-only":
        # A container may not write the kernel's own files: that is no disk problem.
        at = at or next((each for each in tried if each.read_only and not path), None)
        if at is None or path.startswith(("/proc/", "/sys/")):
            return ""
        return (
            f"{path or 'what is written'} is on a read-only mount ({at.path}); "
            f"mount -o remount,rw {at.path}; if that fails look for disk errors in dmesg"
        )
    if kind != "full" or at is None:
        least = min(tried, key=lambda mount: mount.free_gib, default=None) if kind else None
        # A program that says no path may have written anywhere. An image mounted read-only is full.
        others = [each for each in mounts.values() if kind and not each.read_only]
        at = next((each for each in (*tried, *others) if each.empty), least)
    return _full(at, needed_gib) if at else ""


def _full(at: Mount, needed_gib: float) -> str:
    if at.no_inodes:
        needed = f", a virtual environment takes {_VENV_INODES:,}" if needed_gib else ""
        return (
            f"no inodes left on {at.path}: {at.inodes} free{needed}; delete small files there, or "
            "make its file system with more inodes"
        )
    now = "" if at.empty else " now"  # what the step had written is gone
    needed = f", about {needed_gib:.0f} GiB needed" if needed_gib else ""
    free = f"{size_text(at.free_gib)} of {size_text(at.total_gib)} free{now}"
    return (
        f"no space left on {at.path}: {free}{needed}; "
        "free room there or use a larger disk, then run this again"
    )


def with_disk_reason(error: OnecardError, session: Session) -> OnecardError:
    """Return the error, with the disk as its reason where that made a step fail; probes the box."""
    if not isinstance(error, (CommandError, DriftError, ProbeError)) or error.timed_out:
        return error
    step = error.step
    output = f"{step.name}\n{step.output}" if step else f"{error.message}\n{error.detail}"
    try:
        disks = (step and step.disks) or session.run(DISK_PROBE, timeout=_PROBE_TIMEOUT).output
    except (CommandError, UnreachableError):
        return error
    why = explain(output, read_mounts(disks), step.needed_gib if step else 0)
    if not why:
        return error
    if _find_failure(output)[0]:
        before = f"{step.name}: " if step else ""
        return type(error)(f"{before}{why}", f"{error.message}\n{error.detail}".rstrip("\n"))
    return type(error)(f"{error.message}; {why}", error.detail)


def _find_failure(output: str) -> tuple[str, str, list[str]]:
    """Return the kind of failure in the output, the path that failed, and all paths.

    The last path in the output comes first.
    """
    kind = path = ""
    for line in output.splitlines():
        for each, words in _KINDS.items():
            if words.search(line):
                kind, path = each, next(reversed(_paths(line)), "")
    return kind, path, _paths(output)[::-1]


def _paths(line: str) -> list[str]:
    return [found.rstrip(".,-") for found in _PATH.findall(line)]


def _mount_of(path: str, mounts: dict[str, Mount]) -> Mount | None:
    if not path:
        return None
    place = PurePosixPath(path)
    return next(
        (mounts[str(each)] for each in (place, *place.parents) if str(each) in mounts), None
    )
