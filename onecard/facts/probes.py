"""The questions: one read-only POSIX shell text a subject, from `onecard/data/facts/*.sh`.

Each runs as root or as a user, on a bare box or in a container, under dash or busybox. One that
lacks a tool prints less; none fails. Most answers are lines `key=value`, with keys repeated for
lists. None reads a secret: of an environment only the variable `container` is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).parent.parent / "data" / "facts"

_BEFORE = "LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export LC_ALL PATH\n"


def _load() -> Mapping[str, str]:
    return MappingProxyType(
        {path.stem: _BEFORE + path.read_text("utf-8") for path in sorted(_FOLDER.glob("*.sh"))}
    )


PROBES: Mapping[str, str] = _load()
