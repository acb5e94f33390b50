"""The processes of a unit's start: what systemd's control group holds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from onecard.box.process import environment

_LONGEST_S = 10.0  # for processes that were killed to end; one in the driver's hands may take long
_POLL_S = 0.05


def of_start(invocation: str, leader: int = 0) -> list[int]:
    """Return the processes of a start: those of its process group, and all with its INVOCATION_ID.

    A process may leave the group, and may overwrite its environment with its title; one that does
    both is not found. leader: the main process, which began the group; 0 for none.
    """
    return sorted(_find(invocation, leader)) if invocation else []


def _find(invocation: str, leader: int) -> Iterator[int]:
    group_is_ours = leader != 0 and _began(invocation, leader)
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        try:
            if (group_is_ours and os.getpgid(pid) == leader) or _has(invocation, pid):
                yield pid
        except OSError:
            continue


def _began(invocation: str, leader: int) -> bool:
    """Return whether the group's number still means this start: numbers are used again."""
    try:
        return _has(invocation, leader) or not environment(leader)
    except OSError:
        return True  # the leader ended: the kernel does not use its number while the group lives


def _has(invocation: str, pid: int) -> bool:
    return environment(pid).get("INVOCATION_ID") == invocation


def kill_rest(invocation: str, leader: int, spare: int) -> list[int]:
    """Kill what a start left, and wait until it has ended; return what was found.

    spare: a process that stays: this one.
    """
    found = left = [pid for pid in of_start(invocation, leader) if pid != spare]
    until = time.monotonic() + _LONGEST_S
    while left and time.monotonic() < until:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_POLL_S)
        left = [pid for pid in of_start(invocation, leader) if pid != spare and not _dead(pid)]
    return found


def _dead(pid: int) -> bool:
    """Return whether a process has ended and only waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"
    except OSError:
        return True
