"""Where records lie: `runs/HOST/TIME-KIND.jsonl`, and pictures once each in `runs/pictures/`."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from onecard.project import runs_folder

PICTURES: Final = "pictures"
_UNSAFE = re.compile(r"[^A-Za-z0-9._@-]+")


def folder_name(host: str) -> str:
    """Return a host's name as one folder name that no file system objects to."""
    name = _UNSAFE.sub("_", host).strip(".")
    # A host called like the folder of pictures would mix its records with them.
    return f"{name}_" if name in ("", PICTURES) else name


def now() -> str:
    """Return the time in UTC to a millisecond, `2026-11-23T21:00:00.123Z`."""
    moment = datetime.now(timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def new_file(host: str, kind: str) -> Path:
    """Make an empty file for a run that begins now; two in one second get two files.

    Raises OSError.
    """
    folder = runs_folder() / folder_name(host)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    number = 1
    while True:
        path = folder / f"{stamp}-{kind}{f'-{number}' if number > 1 else ''}.jsonl"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path
