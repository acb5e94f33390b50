"""Pictures that records name: kept once each, under the SHA-256 of their bytes.

So a record can be shown after the picture's source has moved, and a hundred runs with the same
twelve pictures hold them once.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from onecard.places import runs_folder
from onecard.runs.folder import PICTURES


def keep_picture(path: Path) -> dict[str, str]:
    """Copy a picture to the runs' folder; return its name there and its digest. Raises OSError."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    name = f"{PICTURES}/{digest}{path.suffix.lower()}"
    kept = runs_folder() / name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        half = kept.with_name(kept.name + ".part")
        half.write_bytes(data)
        half.replace(kept)
    return {"file": name, "sha256": digest}
