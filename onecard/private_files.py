"""Files below the user's cache folder that no other account can read or write."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def private_folder(name: str) -> str | None:
    """Create `onecard/NAME` below the user's cache folder; None if impossible or not private.

    Anybody who can write to that of byte code can run code as this user.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification calls a relative path invalid.
    folder = Path(base if os.path.isabs(base) else Path("~/.cache").expanduser()) / "onecard"  # noqa: PTH117
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (folder, folder / name):
            with suppress(FileExistsError):
                each.mkdir(mode=0o700)
            found = each.lstat()
            others = stat.S_IMODE(found.st_mode) & 0o077
            if not stat.S_ISDIR(found.st_mode) or others or found.st_uid != os.geteuid():
                return None
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return None
    return str(folder / name)


def private_file(folder: str, *about: str) -> Path | None:
    """Return the file that is about these words, in a private folder; None where there is none."""
    import hashlib  # noqa: PLC0415  # byte_code.py loads this module in every command

    place = private_folder(folder)
    name = hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
    return Path(place) / name if place else None
