"""Ansible's own view of an inventory, to compare onecard's with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAMS = Path(sys.executable).parent


def ansible_lists(sources: list[Path], home: Path) -> dict[str, Any]:
    """Return what `ansible-inventory --list` prints; home: an empty folder."""
    words = [str(word) for source in sources for word in ("-i", source)]
    done = subprocess.run(
        [PROGRAMS / "ansible-inventory", *words, "--list"],
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"},
    )
    listed: dict[str, Any] = json.loads(done.stdout)
    return listed


def members(listed: dict[str, Any], group: str) -> set[str]:
    """Return the hosts of a group and of those below it."""
    body = listed.get(group, {})
    below = (members(listed, child) for child in body.get("children", ()))
    return set(body.get("hosts", ())).union(*below)


def groups_of(listed: dict[str, Any]) -> dict[str, set[str]]:
    """Return the hosts of each group that has any."""
    return {name: found for name in listed if name != "_meta" and (found := members(listed, name))}
