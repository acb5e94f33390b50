"""Writing a file whole: here, and on the box, which is why it is the standard library alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write beside the file and move over it: whoever reads sees the old content or the new.

    Missing folders are made; a symbolic link stays one. The file has `mode` before it has content
    under its name, and is its owner's alone until then. Raises OSError.
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
