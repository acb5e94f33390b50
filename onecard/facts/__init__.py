"""Facts about a box: the probes (`PROBES`, one round trip) and their parser (`read_facts`).

All but the probes is loaded when it is used: they are sent before anything is read.

Nothing here imports more than the standard library, so that the probes can run on a box without any
of the project's dependencies: `python3 -m onecard.facts` prints the raw answers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from onecard.facts.probes import PROBES

if TYPE_CHECKING:
    from onecard.facts.hardware import Driver, GpuFacts, GpuProcess, KernelLog, PciDevice, Xid
    from onecard.facts.model import (
        AptLock,
        Container,
        Disk,
        Facts,
        Kernel,
        Listener,
        Machine,
        Memory,
        Network,
        OperatingSystem,
        Package,
        Packages,
        Python,
        Unit,
        to_json,
    )
    from onecard.facts.read import read_facts

__all__ = [
    "PROBES",
    "AptLock",
    "Container",
    "Disk",
    "Driver",
    "Facts",
    "GpuFacts",
    "GpuProcess",
    "Kernel",
    "KernelLog",
    "Listener",
    "Machine",
    "Memory",
    "Network",
    "OperatingSystem",
    "Package",
    "Packages",
    "PciDevice",
    "Python",
    "Unit",
    "Xid",
    "read_facts",
    "to_json",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        for module in ("model", "hardware", "read"):
            found: object = vars(import_module(f"onecard.facts.{module}")).get(name)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
