"""The controller's effective pip settings, adapted for a box. Pure except for reading index pages.

Precedence as in pip's `_internal/configuration.py`: global, user, site, then the environment, which
also overrides a command's own section.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

Options = Mapping[tuple[str, str], str]

# Where packages come from and how they are reached. Others (target, user, cache-dir,
# require-virtualenv...) are only for the controller.
_COPIED = {
    "index-url", "extra-index-url", "find-links", "no-index", "cert", "timeout", "default-timeout",
    "retries", "trusted-host", "proxy", "prefer-binary", "only-binary", "no-binary",
    "disable-pip-version-check",
}  # fmt: skip
_LINE = re.compile(r"^(?P<section>[^.\s=]+)\.(?P<key>[^=\s]+)=(?P<value>.+)$")
_HREF = re.compile(r"href=[\"']?([^\"'#>\s]+)", re.IGNORECASE)


def parse_config_list(output: str) -> dict[tuple[str, str], str]:
    """Return (section, key) -> value from what `pip config list` prints, environment merged."""
    options: dict[tuple[str, str], str] = {}
    from_environment: dict[str, str] = {}
    for line in output.splitlines():
        match = _LINE.match(line.strip())
        if not match or match["key"] not in _COPIED:
            continue
        value = str(ast.literal_eval(match["value"]))
        key = "timeout" if match["key"] == "default-timeout" else match["key"]
        if match["section"] == ":env:":
            from_environment[key] = value
        else:
            options[match["section"], key] = value
    rest = {name: value for name, value in options.items() if name[1] not in from_environment}
    return {**rest, **{("global", key): value for key, value in from_environment.items()}}


def config_text(options: Options) -> str:
    """Return the text of a pip.conf, with one line for each word of a longer value."""
    lines: list[str] = []
    for section in sorted({section for section, _ in options}):
        lines.append(f"[{section}]")
        for (_, key), value in sorted(item for item in options.items() if item[0][0] == section):
            words = value.split()
            folded = words[0] if len(words) == 1 else "".join(f"\n    {word}" for word in words)
            lines.append(f"{key} = {folded}")
    return "\n".join(lines) + "\n" if lines else ""


def local_folders(options: Options) -> list[Path]:
    """Return the existing folders on this computer that indexes and find-links refer to.

    An index's pages may link outside its folder (`../../files/x.whl`): those folders are included.
    """
    found: dict[Path, None] = {}
    for (_, key), value in options.items():
        for word in value.split():
            folder = _local(word)
            if key in ("index-url", "extra-index-url") and folder:
                found.update(dict.fromkeys([folder, *_linked_folders(folder)]))
            elif key == "find-links" and folder:
                found[folder] = None
    return outermost(found)


def outermost(folders: Iterable[Path]) -> list[Path]:
    """Return the folders that are not inside another of them, sorted, without `/`."""
    outer: list[Path] = []
    for folder in sorted(folder for folder in folders if folder != Path("/")):
        if not any(other in folder.parents for other in outer):
            outer.append(folder)
    return outer


def _local(word: str) -> Path | None:
    parts = urlsplit(word)
    text = unquote(parts.path) if parts.scheme == "file" else word
    path = Path(text)
    if path.is_absolute() and path.is_file():
        path = path.parent
    return path if path.is_absolute() and path.is_dir() else None


def _linked_folders(index: Path) -> set[Path]:
    """Return the folders outside `index` that its projects' pages link to."""
    folders: set[Path] = set()
    for page in index.glob("*/index.html"):
        for link in _HREF.findall(page.read_text(errors="replace")):
            if "://" not in link and link.startswith(("..", "/")):
                target = Path(page.parent / unquote(link)).parent
                folders.add(Path(os.path.normpath(target)))
    return {folder for folder in folders if folder.is_dir() and index not in folder.parents}
