"""What a sandbox driver is, and what it hands back."""

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
    driver: `nspawn` or `docker`.
    """

    name: str
    address: str
    port: int
    user: str
    key_file: Path
    state: BoxState
    driver: str


class Driver(Protocol):
    """Makes, lists, enters and removes boxes.

    Every method raises SandboxError; down and shell raise UsageError for a box that is not there.
    """

    def up(self, names: Sequence[str]) -> list[Box]:
        """Make or start the named boxes; return once every one answers over SSH."""

    def boxes(self) -> list[Box]:
        """Return this project's boxes in the order of their names."""

    def down(self, names: Sequence[str] | None, caches: bool = False) -> list[str]:
        """Remove the named boxes (None: all) with all that they left; return their names.

        caches: remove the base trees and the pip cache as well.
        """

    def shell(self, name: str) -> int:
        """Open a root shell in the box on this terminal; return its exit code."""
