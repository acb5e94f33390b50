"""The probes: one read-only POSIX shell script for each subject, `onecard/facts/scripts/*.sh`.

Each runs as root or as a user, on a bare box or in a container, under dash or busybox. Without
a tool a probe prints less; none fails. Most print lines `key=value`, with keys repeated for lists.
None reads a secret: of process 1's environment one prints the names of some variables, and the
value of `container`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).parent / "scripts"

_BEFORE = "LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export LC_ALL PATH\n"


def _load() -> Mapping[str, str]:
    return MappingProxyType(
        {path.stem: _BEFORE + path.read_text("utf-8") for path in sorted(_FOLDER.glob("*.sh"))}
    )


PROBES: Mapping[str, str] = _load()
