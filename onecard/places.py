"""Where things lie on this computer. The one place for these paths; layout.py has the box's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from onecard.errors import UsageError

PROJECT: Final = Path(__file__).resolve().parent.parent
INVENTORY_VARIABLE: Final = "ONECARD_INVENTORY"
RUNS_VARIABLE: Final = "ONECARD_RUNS"


def inventory_folder() -> Path:
    """Return ONECARD_INVENTORY, else the project's own inventory/.

    Raises UsageError where the variable names no folder: without a word, a slip of the pen would be
    an inventory without hosts.
    """
    named = os.environ.get(INVENTORY_VARIABLE)
    if not named:
        return PROJECT / "inventory"
    folder = Path(named).absolute()
    if not folder.is_dir():
        raise UsageError(f"{INVENTORY_VARIABLE}: {folder} is no folder; make it, or unset it")
    return folder


def runs_folder() -> Path:
    """Return ONECARD_RUNS, else the project's own runs/; it is made when it is written to."""
    return Path(os.environ.get(RUNS_VARIABLE) or PROJECT / "runs").absolute()
