"""Pictures that records name: stored once each, under the SHA-256 of their bytes.

So a record can be shown after the picture's source has moved, and a hundred runs with the same
twelve pictures hold them once.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from onecard.project import runs_folder
from onecard.records.folder import PICTURES


def store_picture(path: Path) -> dict[str, str]:
    """Copy a picture to the runs' folder; return its name there and its digest. Raises OSError."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    name = f"{PICTURES}/{digest}{path.suffix.lower()}"
    stored = runs_folder() / name
    if not stored.exists():
        stored.parent.mkdir(parents=True, exist_ok=True)
        half = stored.with_name(stored.name + ".part")
        half.write_bytes(data)
        half.replace(stored)
    return {"file": name, "sha256": digest}
