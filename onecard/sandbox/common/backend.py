"""The interface of a sandbox driver, and the boxes that it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

BoxState = Literal["running", "stopped"]


@dataclass(frozen=True)
class Box:
    """One sandbox box and how to log in to it over SSH.

    key_file: absolute path of the private key that `user` (and root) may log in with.
    driver: `nspawn` or `docker`. systemd: whether systemd is its PID 1; else the box is a pod.
    """

    name: str
    address: str
    port: int
    user: str
    key_file: Path
    state: BoxState
    driver: str
    systemd: bool = True


class SandboxDriver(Protocol):
    """Creates, lists, enters and removes boxes.

    Every method raises SandboxError; restart, down and shell raise UsageError for an unknown box.
    """

    def up(self, names: Sequence[str], systemd: bool = True) -> list[Box]:
        """Create or start the named boxes; return when every one accepts SSH.

        systemd: False makes pods. A box that exists stays what it is: UsageError when a pod is
        requested and the box has systemd.
        """

    def restart(self, name: str) -> Box:
        """Stop and start a box; return when it accepts SSH.

        A pod is a new tree then, with a new host key that known_hosts is not given; only its
        volume stays.
        """

    def boxes(self) -> list[Box]:
        """Return this project's boxes in the order of their names."""

    def down(self, names: Sequence[str] | None, caches: bool = False) -> list[str]:
        """Remove the named boxes (None: all) and everything of them; return their names.

        caches: remove the base trees and the pip cache as well.
        """

    def shell(self, name: str) -> int:
        """Open a root shell in the box on this terminal; return its exit code."""
