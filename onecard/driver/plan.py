"""The plan for one box's driver, as a value; roles/driver.py applies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DriverPlan:
    """The plan for the driver of one box.

    action: `leave`, `install`, `reboot` (installed already, a reboot loads it) or `refuse`.
    reason, fix: one line each; fix is empty unless the user has to do something.
    route: `ubuntu`, `debian` or `nvidia`: source of the driver's packages, empty for none.
    repository: URL of NVIDIA's repository for this system; empty if not needed.
    pinning: package that pins that repository to the branch.
    packages: exact names for apt. at_least: pairs of such a name and its minimum upstream version.
    remove: installed packages whose modules would be loaded instead of the new ones.
    optional: further packages, if the archive has them. otherwise: replacements for missing ones.
    kernel: the kernel's meta packages, not to be upgraded without the driver's module.
    fabric: names of the Fabric Manager's package, on boxes with NVSwitch; else empty.
    version_from: the package whose version the Fabric Manager must have.
    blacklist_nouveau: disable the kernel's own driver, in the initial RAM disk too.
    persistence: enable persistence mode: the driver's state stays loaded between programs.
    reboot: the new driver is expected to need a reboot.
    """

    action: Literal["leave", "install", "reboot", "refuse"]
    reason: str
    fix: str = ""
    route: str = ""
    repository: str = ""
    pinning: str = ""
    packages: tuple[str, ...] = ()
    at_least: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()
    fabric: tuple[str, ...] = ()
    version_from: str = ""
    blacklist_nouveau: bool = False
    persistence: bool = False
    reboot: bool = False

    @property
    def pending(self) -> bool:
        """Return whether the plan still has to install or load the driver."""
        return self.action in ("install", "reboot")
