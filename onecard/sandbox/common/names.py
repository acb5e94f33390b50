"""The names of boxes, and of what is made for them on the controller. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from onecard.errors import UsageError

_BOX_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


def box_names(name: str = "", count: int = 1, systemd: bool = True) -> tuple[str, ...]:
    """Return the names of the requested boxes: `name`, or box1..boxK; with both, name1..nameK.

    systemd: False names them pod1..podK. Raises UsageError for a count below 1.
    """
    if count < 1:
        raise UsageError(f"--count {count}: at least 1 box is needed")
    if name and count == 1:
        return (check_name(name),)
    stem = name or ("box" if systemd else "pod")
    return tuple(check_name(f"{stem}{number}") for number in range(1, count + 1))


def check_name(name: str) -> str:
    """Return `name` if it is a valid host name. Raises UsageError."""
    if not _BOX_NAME.fullmatch(name):
        raise UsageError(
            f"sandbox box name {name!r}: use lower-case letters, digits and inner dashes, "
            "beginning with a letter, 32 at most"
        )
    return name


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Return the checked names in order, each once."""
    return tuple(dict.fromkeys(check_name(name) for name in names))


@dataclass(frozen=True)
class Labels:
    """Names of this project's own kernel objects, which differ between two clones.

    An interface has at most 15 characters; nspawn puts `vb-` before a machine's name.
    """

    project: str

    @classmethod
    def of(cls, project: Path) -> Labels:
        """Derive them from the project's real path."""
        return cls(_digest(str(project.resolve())))

    @property
    def bridge(self) -> str:
        """Return the bridge of this project's boxes."""
        return f"ocb-{self.project}"

    @property
    def table(self) -> str:
        """Return the nftables table of this project."""
        return f"onecard_{self.project}"

    def machine(self, box: str) -> str:
        """Return the machine name of a box, also used for its interface and control group."""
        return f"oc{_digest(self.project + '/' + box)}"

    def interface(self, box: str) -> str:
        """Return the controller's end of the box's veth pair."""
        return f"vb-{self.machine(box)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
