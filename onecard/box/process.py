"""Read what the kernel shows of a process to its own user alone: its environment, its open files.

Root of a container has no CAP_SYS_PTRACE and is refused; as the process's user it is not
(ptrace(2), PTRACE_MODE_READ_FSCREDS).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def environment(pid: int) -> dict[str, str]:
    """Return a process's environment; empty if it overwrote it. Raises OSError if it ended."""
    with _as_its_user(pid):
        text = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace")
    pairs = (word.partition("=") for word in text.split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def open_files(pid: int) -> list[str]:
    """Return what a process's file handles are, such as `socket:[81]`. Raises OSError."""
    found = []
    with _as_its_user(pid):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed by now
                found.append(str(handle.readlink()))
    return found


@contextmanager
def _as_its_user(pid: int) -> Iterator[None]:
    owner = Path(f"/proc/{pid}").stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
