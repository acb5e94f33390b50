"""The log of a unit: files that supervisord rotates, the newest without a number.

A line of the launcher's marks where each start begins, and so what belongs to it.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from onecard.box import paths

MOST_BYTES = 20 << 20  # of one file
MOST_FILES = 5
_POLL_S = 0.2
# Not only at the beginning of a line: a program may end within one.
_MARK = re.compile(rb"onecard: ([^ ]+) starts, invocation ([0-9a-f]{32})$", re.MULTILINE)


def mark(name: str, invocation: str) -> str:
    """Return the line that a start begins with."""
    return f"onecard: {name} starts, invocation {invocation}"


def file_of(name: str) -> Path:
    """Return the newest file of a unit's log."""
    return Path(paths.LOGS) / f"{name}.log"


def files(name: str) -> list[Path]:
    """Return the files of a unit's log, oldest first."""
    newest = file_of(name)
    older = (newest.with_name(f"{newest.name}.{number}") for number in range(MOST_FILES, 0, -1))
    return [path for path in (*older, newest) if path.exists()]


def read(name: str, invocation: str = "") -> bytes:
    """Return a unit's log, or what one start wrote."""
    text = b"".join(path.read_bytes() for path in files(name))
    return of_start(text, invocation) if invocation else text


def of_start(text: bytes, invocation: str) -> bytes:
    """Return what one start wrote: from its mark to the next one. Without its mark, nothing."""
    marks = list(_MARK.finditer(text))
    for index, found in enumerate(marks):
        if found[2] == invocation.encode():
            end = marks[index + 1].start() if index + 1 < len(marks) else len(text)
            return text[found.start() : end]
    return b""


def starts(name: str) -> list[str]:
    """Return the invocation ids of all starts that the log has, oldest first."""
    return [found[2].decode() for found in _MARK.finditer(read(name))]


def last_lines(text: bytes, count: str) -> bytes:
    """Return the last lines of a text. count: a number, or `all`."""
    if count == "all":
        return text
    lines = text.splitlines(keepends=True)
    return b"".join(lines[max(0, len(lines) - int(count)) :])


def follow(name: str, count: str, invocation: str = "") -> Iterator[bytes]:
    """Yield the last lines, then new text as it is written; it does not end.

    What another start writes is left out where an invocation is given.
    """
    newest = file_of(name)
    while not newest.exists():
        time.sleep(_POLL_S)
    stream = newest.open("rb")
    position = len(stream.read())
    older = b"".join(path.read_bytes() for path in files(name)[:-1])
    stream.seek(0)
    text = older + stream.read(position)
    yield last_lines(of_start(text, invocation) if invocation else text, count)
    last = [found[2].decode() for found in _MARK.finditer(text)][-1:]
    ours = not invocation or last == [invocation]
    for line in _new_lines(newest, stream):
        if found := _MARK.search(line.rstrip(b"\n")):
            ours = not invocation or found[2].decode() == invocation
        if ours:
            yield line


def _new_lines(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines as they are written; a file that was renamed is read to its end first."""
    begun = b""
    while True:
        renamed = _renamed(path, stream)  # before the read: nothing is written to it after
        if text := stream.read():
            *lines, begun = (begun + text).split(b"\n")
            yield from (line + b"\n" for line in lines)
        elif renamed:
            stream.close()
            stream = path.open("rb")
        else:
            time.sleep(_POLL_S)


def _renamed(path: Path, stream: BinaryIO) -> bool:
    try:
        return not os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except OSError:  # between the renaming and the new file
        return False


def print_all(texts: Iterator[bytes]) -> None:
    """Print each text as it comes."""
    for text in texts:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
