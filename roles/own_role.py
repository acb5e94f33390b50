"""Roles of one's own: the files in roles/ of the user's folder.

One with the name of a built-in role replaces what that wants; it may use it still, since
`from roles import serve` is always the built-in one.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from onecard.errors import OnecardError, UsageError
from onecard.inventory.host import Host
from onecard.project import find_own_folder, own_folder
from onecard.resources.base import Resource
from onecard.settings.settings import PROVISION_ROLES
from onecard.shipped import SHIPPED

if TYPE_CHECKING:
    from onecard.facts import Facts

_SHIPPED_ROLES: Final = SHIPPED / "roles"
_BUILT_IN: Final = frozenset(
    (*PROVISION_ROLES, "serve", "expose", "unexpose", "monitoring", "teardown")
)


def desired(name: str, host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return what a role wants on a host. Raises UsageError naming the role's file and line."""
    path = _file(name)
    if path is None:
        found: tuple[Resource, ...] = import_module(f"roles.{name}").desired(host, facts)
        return found
    return _call(path, "desired", host, facts)


def absent(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return what `teardown` makes of the host's own roles: their `absent(host, facts)`, if any."""
    found: tuple[Resource, ...] = ()
    for name in reversed(host.settings.roles):
        path = _file(name)
        if path is not None and hasattr(_load(path), "absent"):
            found += _call(path, "absent", host, facts)
    return found


def check(host: Host) -> None:
    """Raise UsageError for a role that does not exist or cannot be loaded; opens no connection."""
    for name in host.settings.roles:
        path = _file(name)
        if path is not None:
            _load(path)
        elif name not in PROVISION_ROLES:
            raise UsageError(_unknown(name, host))


def load(host: Host) -> None:
    """Load the host's roles, so that `desired` does not wait for it."""
    for name in host.settings.roles:
        if _file(name) is None:
            import_module(f"roles.{name}")


def _file(name: str) -> Path | None:
    """Return the file of a role of one's own, None where the built-in one is used."""
    folder = find_own_folder()
    path = folder / "roles" / f"{name}.py" if folder else None
    if path is None or not path.is_file():
        return None
    # In the clone, a file beside the built-in roles is a role of one's own.
    return None if path.parent == _SHIPPED_ROLES and name in _BUILT_IN else path


def _unknown(name: str, host: Host) -> str:
    folder = own_folder() / "roles"
    own = sorted(path.stem for path in folder.glob("[a-z]*.py")) if folder.is_dir() else []
    near = difflib.get_close_matches(name, own, 1, 0.5)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f"{host.name}: roles: there is no role {name}: {folder / name}.py does not exist{hint}"


@cache
def _load(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"own_roles.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{_shown(path)}: cannot be loaded")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{_shown(path)}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        raise _failed(path, error) from error
    if not callable(getattr(module, "desired", None)):
        raise UsageError(f"{_shown(path)}: has no function desired(host, facts)")
    return module


def _call(path: Path, name: str, host: Host, facts: Facts) -> tuple[Resource, ...]:
    function: Callable[[Host, Facts], object] = getattr(_load(path), name)
    try:
        result = function(host, facts)
    except OnecardError:
        raise
    except Exception as error:
        raise _failed(path, error) from error
    if not isinstance(result, (tuple, list)) or not all(isinstance(x, Resource) for x in result):
        raise UsageError(f"{_shown(path)}: {name}(host, facts) must return a tuple of resources")
    return tuple(result)


def _failed(path: Path, error: Exception) -> UsageError:
    """Return the error with the last line of the role's own file that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    where = f":{lines[-1]}" if lines else ""
    return UsageError(f"{_shown(path)}{where}: {type(error).__name__}: {error}")


def _shown(path: Path) -> str:
    return f"roles/{path.name}"
