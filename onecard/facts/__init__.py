"""Facts about a box: the probes (`PROBES`, one round trip) and their parser (`read_facts`).

Nothing here imports more than the standard library, so that the probes can run on a box without any
of the project's dependencies: `python3 -m onecard.facts` prints the raw answers.
"""

from __future__ import annotations

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
from onecard.facts.probes import PROBES
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
