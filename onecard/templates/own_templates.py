"""Templates of one's own: copies of built-in ones, which they replace.

A copy begins with a comment that records the hash of what it was copied from, so that a later
version of onecard can say that the built-in one is no longer the same.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from onecard.errors import UsageError
from onecard.project import find_own_folder, own_folder
from onecard.shipped import SHIPPED
from onecard.templates.render import FOLDER

_HEADER: Final = re.compile(r"\{# onecard: a copy of (\S+), sha256 ([0-9a-f]{64}) #\}\n")

State = Literal["current", "outdated", "own", "unused"]


@dataclass(frozen=True)
class OwnTemplate:
    """A template of the user's folder.

    state: `current`: copied from the built-in one as it is; `outdated`: that has changed since;
        `own`: replaces a built-in one without a recorded hash; `unused`: there is none of its name.
    """

    name: str
    state: State


def built_in_templates() -> tuple[str, ...]:
    """Return the names of the built-in templates, as `report/style.css`."""
    return _names(FOLDER)


def own_templates() -> tuple[OwnTemplate, ...]:
    """Return the templates of the user's folder; none in the clone, whose own are the built-in."""
    folder = find_own_folder()
    if folder is None or folder == SHIPPED:
        return ()
    return tuple(OwnTemplate(name, _state(folder, name)) for name in _names(folder / "templates"))


def copy_template(name: str) -> Path:
    """Copy a built-in template into the user's folder; return its path.

    Raises UsageError for an unknown name, in the clone, and where the file exists.
    """
    text = _built_in(name)
    folder = own_folder()
    if folder == SHIPPED:
        raise UsageError(
            f"--copy: here templates/{name} is the built-in template itself; edit it, or copy it "
            "in a folder of your own (`onecard init DIR`)"
        )
    path = folder / "templates" / name
    if path.exists():
        raise UsageError(f"--copy: {path} exists; compare it: invoke templates --diff {name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    header = f"{{# onecard: a copy of {name}, sha256 {_digest(text)} #}}\n"
    path.write_text(header + text, encoding="utf-8")
    return path


def template_diff(name: str) -> str:
    """Return the unified diff from the built-in template to one's own; empty if there is none.

    The comment that records the hash is not a difference.
    """
    before, path = _built_in(name), own_folder() / "templates" / name
    if not path.is_file():
        raise UsageError(f"--diff: {path} does not exist; copy it: invoke templates --copy {name}")
    after = _HEADER.sub("", path.read_text("utf-8", errors="replace"), count=1)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"built-in/{name}",
        f"templates/{name}",
    )
    return "".join(lines)


def _state(folder: Path, name: str) -> State:
    if name not in built_in_templates():
        return "unused"
    header = _HEADER.match((folder / "templates" / name).read_text("utf-8", errors="replace"))
    if header is None:
        return "own"
    return "current" if header[2] == _digest(_built_in(name)) else "outdated"


def _built_in(name: str) -> str:
    known = built_in_templates()
    if name not in known:
        raise UsageError(f"there is no built-in template {name}; there are: {', '.join(known)}")
    return (FOLDER / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _names(folder: Path) -> tuple[str, ...]:
    found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    names = (path.relative_to(folder) for path in found)
    return tuple(
        name.as_posix() for name in names if not any(p.startswith(".") for p in name.parts)
    )
