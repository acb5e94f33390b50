"""Compare versions of packages and drivers."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[0-9]{1,18}")  # a version is a box's word: `²` is a digit to isdigit()


def upstream(version: str) -> str:
    """Return a Debian version without its epoch and revision: `1:580.95.05-0ubuntu1`."""
    return version.rpartition(":")[2].rsplit("-", 1)[0]


def version_key(text: str) -> tuple[int, ...]:
    """Return the numbers in a version, for comparison: `580.159.04` -> (580, 159, 4)."""
    return tuple(int(part) for part in re.split(r"[-~.]", text) if _NUMBER.fullmatch(part))
