"""Processes identified by PID and start time, so that a reused PID is never mistaken for one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessStat:
    """Three fields of proc(5) stat: state letter, parent's PID, start time in clock ticks."""

    state: str
    parent: int
    started: int


@dataclass(frozen=True)
class Process:
    """A process as it was started. started: clock ticks since the controller's boot."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Return whether this process still runs (a zombie does not)."""
        stat = read_stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has gone."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def parse_stat(text: str) -> ProcessStat:
    """Parse /proc/PID/stat. The command (field 2) may hold spaces and brackets."""
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessStat(state=fields[0], parent=int(fields[1]), started=int(fields[19]))


def read_stat(pid: int) -> ProcessStat | None:
    """Return the stat of a PID, or None when there is no such process."""
    try:
        return parse_stat((_PROC / str(pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def find(pid: int) -> Process | None:
    """Return the process that has this PID now."""
    stat = read_stat(pid)
    return Process(pid, stat.started) if stat else None


def children(pid: int) -> Iterator[Process]:
    """Yield the processes whose parent is `pid`."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            stat = read_stat(int(entry.name))
            if stat and stat.parent == pid:
                yield Process(int(entry.name), stat.started)


def leader(supervisor: Process) -> Process | None:
    """Return the box's PID 1: below the supervisor's child, 1 in a PID namespace of its own."""
    if not supervisor.alive():
        return None
    for nspawn in children(supervisor.pid):
        for child in children(nspawn.pid):
            with suppress(OSError):
                if is_namespace_init((_PROC / str(child.pid) / "status").read_text()):
                    return child
    return None


def is_namespace_init(status: str) -> bool:
    """Return from /proc/PID/status whether the process is PID 1 of a child namespace."""
    for line in status.splitlines():
        name, *numbers = line.split()
        if name == "NSpid:":
            return len(numbers) > 1 and numbers[-1] == "1"
    return False
