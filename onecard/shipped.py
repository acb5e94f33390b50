"""Where tasks.py, roles/ and templates/ are: beside this package in the clone, in it in a wheel.

Python could take a folder `roles` of the working directory for the package of that name, so a
finder names its one place. `onecard/__init__.py` imports this: it precedes every `import roles`.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_PACKAGE: Final = Path(__file__).resolve().parent
_IN_A_WHEEL: Final = _PACKAGE / "shipped_files"  # setup.py puts it there
IS_CLONE: Final = not _IN_A_WHEEL.is_dir()
SHIPPED: Final = _PACKAGE.parent if IS_CLONE else _IN_A_WHEEL


class RolesFinder:
    """Finds the package `roles` in SHIPPED, whatever else is on the path."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the package's place; None for every other module."""
        return PathFinder.find_spec(name, [str(SHIPPED)]) if name == "roles" else None


sys.meta_path.insert(0, RolesFinder)
