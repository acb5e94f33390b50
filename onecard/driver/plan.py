"""A driver plan: a value that says what to do about one box's driver. roles/driver.py does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DriverPlan:
    """What to do about the driver of one box.

    action: `leave`, `install`, `reboot` (installed already, a reboot loads it) or `refuse`.
    reason, fix: one line each; fix is empty unless something is for the user to do.
    route: `ubuntu`, `debian` or `nvidia`: whose packages the driver is made of, empty for none.
    repository: URL of NVIDIA's repository for this system; empty where it is not wanted.
    pinning: package that keeps that repository on the branch.
    packages: exact names for apt. at_least: of these, name -> least upstream version, pairwise.
    optional: more of them, where the archive has them. otherwise: instead of those that it lacks.
    kernel: the kernel's meta packages, which must not move on without the driver's module.
    fabric: names that the Fabric Manager goes by, where NVSwitch is; empty elsewhere.
    version_from: the package whose version the Fabric Manager must have.
    blacklist_nouveau: keep the kernel's own driver from the card, in the initial RAM disk too.
    persistence: the driver's state is to stay loaded between two programs.
    reboot: the new driver serves only after a reboot, as far as can be told before.
    """

    action: Literal["leave", "install", "reboot", "refuse"]
    reason: str
    fix: str = ""
    route: str = ""
    repository: str = ""
    pinning: str = ""
    packages: tuple[str, ...] = ()
    at_least: tuple[tuple[str, str], ...] = ()
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
        """Tell whether the box has yet to come to a working driver."""
        return self.action in ("install", "reboot")
