"""Paths on this computer, all defined here; those on the box are in box/paths.py.

The code lies in one place, what a user owns (inventory, records, templates and roles of one's own)
in another: the folder of one's own. In the clone both are the clone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from onecard.errors import UsageError
from onecard.shipped import IS_CLONE

PROJECT: Final = Path(__file__).resolve().parent.parent
"""the folder that holds the package onecard: the clone, or an environment's site-packages"""
INVENTORY_VARIABLE: Final = "ONECARD_INVENTORY"
RUNS_VARIABLE: Final = "ONECARD_RUNS"


def find_own_folder() -> Path | None:
    """Return the user's folder, None if there is none.

    It is the working directory or its nearest parent with an inventory/; else the clone, if this
    runs from one; else the folder that holds ONECARD_INVENTORY.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if _is_inventory(folder / "inventory"):
            return folder
    if IS_CLONE:
        return PROJECT
    named = os.environ.get(INVENTORY_VARIABLE)
    return Path(named).absolute().parent if named else None


def own_folder() -> Path:
    """Return the user's folder. Raises UsageError if there is none."""
    folder = find_own_folder()
    if folder is None:
        raise UsageError(
            f"there is no inventory/ in {Path.cwd()} or above it; make a folder of your own with "
            "`onecard init DIR` and work there"
        )
    return folder


def own_path(written: str) -> Path:
    """Return a path of the settings, which is relative to the user's folder.

    What comes with onecard, such as the sandbox's model in ./onecard/, is found in PROJECT too.
    """
    owned, shipped = own_folder() / written, PROJECT / written
    return (shipped if shipped.exists() and not owned.exists() else owned).resolve()


def inventory_path() -> Path:
    """Return ONECARD_INVENTORY (or --inventory), else inventory/ of the user's folder.

    It is a folder, or one source, such as a hosts.ini. Raises UsageError if the variable names
    nothing that exists: otherwise a typing error would look like an inventory without hosts.
    """
    named = os.environ.get(INVENTORY_VARIABLE)
    if not named:
        return own_folder() / "inventory"
    path = Path(named).expanduser().absolute()
    if not path.exists():
        raise UsageError(f"{INVENTORY_VARIABLE}: {path} does not exist; correct it, or --inventory")
    return path


def inventory_folder() -> Path:
    """Return the folder of the inventory, where host keys, locks and secrets lie too."""
    path = inventory_path()
    return path if path.is_dir() else path.parent


def runs_folder() -> Path:
    """Return ONECARD_RUNS, else runs/ of the user's folder; it is created at the first write."""
    named = os.environ.get(RUNS_VARIABLE)
    return Path(named).absolute() if named else own_folder() / "runs"


def _is_inventory(folder: Path) -> bool:
    """Return whether a folder holds more than Python files, and is not a package of theirs."""
    if not folder.is_dir() or (folder / "__init__.py").exists():
        return False
    return any(each.suffix != ".py" and each.name != "__pycache__" for each in folder.iterdir())
