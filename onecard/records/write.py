"""Appends events to a record, a line each, flushed at once."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from onecard.credentials.secret import MASK, SECRET_FLAGS, Secret, masked
from onecard.records.folder import now

VERSION: Final = 1
_DIGITS: Final = 6  # a microsecond
_FIELD: Final = re.compile(r"[a-z]+(_[a-z]+)*")


class LineWriter:
    """Appends to one file, which no other run can do meanwhile.

    Raises OSError when it can't be written, or when another run is writing it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        if not _lock(self._file):
            self._file.close()
            raise OSError(errno.EBUSY, "another run is writing it", str(path))
        if _ends_within_a_line(
            path
        ):  # a run that was killed while it wrote: its broken line stays a line of its own
            self._file.write("\n")

    def add(self, event: str, values: Mapping[str, Any]) -> None:
        """Append one event with the time of now."""
        line = json.dumps(plain({"event": event, "time": now(), **values}), ensure_ascii=False)
        self._file.write(line + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def plain(value: Any) -> Any:
    """Return what JSON can hold: no secret, no infinity, no Python object.

    Text that contains the value of any Secret of this process, or looks like a key or a token, is
    masked, wherever in the value it stands. A key of plain words names a field: a password that is
    a word of its own ("second") must not rename `seconds`.
    """
    if isinstance(value, str):
        return masked(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain_key(str(key)): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return _plain_list(list(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (Secret, Path)):
        return masked(str(value))
    raise TypeError(f"a record can't hold a {type(value).__name__}")


def _plain_key(key: str) -> str:
    return key if _FIELD.fullmatch(key) else masked(key)


def _plain_list(values: list[Any]) -> list[Any]:
    """Mask the word behind a flag that gives a secret: the two are words of one command line."""
    before = [None, *values]
    return [
        MASK if flag in SECRET_FLAGS else plain(value)
        for flag, value in zip(before, values, strict=False)
    ]


def is_being_written(path: Path) -> bool:
    """Return whether a run is writing this record now. Raises OSError where there is none."""
    with path.open("a", encoding="utf-8") as file:
        return not _lock(file)


def _lock(file: TextIO) -> bool:
    """Lock a file until it is closed; return False when another run holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, such as some over a network
        return True
    return True


def _ends_within_a_line(path: Path) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() != b"\n"
