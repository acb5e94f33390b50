"""Write files into a tree on this computer, never outside it through a symbolic link."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from onecard.errors import SandboxError
from onecard.sandbox.common.furnish import TreeFile


def write_files(root: Path, files: Mapping[str, TreeFile]) -> None:
    """Write path -> file below `root`, and create their folders (0755; 0700 for `.ssh`).

    Raises SandboxError when a parent folder is a link that leads out of the tree.
    """
    for path, file in files.items():
        target = root / path.lstrip("/")
        if not target.parent.exists():
            _make_folders(root, target.parent, file.owner)
        if not target.parent.resolve().is_relative_to(root.resolve()):
            raise SandboxError(f"{path} leads out of the box's tree {root}: remove that link")
        target.unlink(missing_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(file.content)
        os.chown(target, file.owner, file.owner)
        target.chmod(file.mode)


def _make_folders(root: Path, folder: Path, owner: int) -> None:
    if folder == root or folder.exists():
        return
    _make_folders(root, folder.parent, 0)
    folder.mkdir()
    folder.chmod(0o700 if folder.name == ".ssh" else 0o755)
    os.chown(folder, owner, owner)
