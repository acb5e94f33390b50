"""Atomic write of a file. It also runs on the box, so it uses the standard library alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file atomically: a reader sees the old content or the new, never a part.

    Missing folders are created; a symbolic link is followed. The file has `mode` before it has its
    name; until then only its owner can read it. Raises OSError.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: another process, or thread, may be writing the same file.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".onecard-new", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.chmod(mode)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
