"""Small files of text: read, written whole, and their `KEY=VALUE` lines."""

from __future__ import annotations

import os
from pathlib import Path


def read(path: Path) -> str:
    """Return a file's text without the white space around it, empty when it is not there."""
    return path.read_text().strip() if path.exists() else ""


def fields(text: str) -> dict[str, str]:
    """Return `KEY=VALUE` lines as a mapping."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value for key, middle, value in pairs if middle}


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole: a reader sees the old content or the new."""
    new = path.with_name(path.name + ".onecard-new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
