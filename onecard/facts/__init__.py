"""What a box is: the questions (`PROBES`, one round trip) and their reading (`read_facts`).

Nothing here imports more than the standard library, so that the questions can be asked on a box
without any of the project's dependencies: `python3 -m onecard.facts` prints the raw answers.
"""

from __future__ import annotations

from onecard.facts.hardware import Driver, Gpu, GpuProcess, KernelLog, PciDevice, Xid
from onecard.facts.model import (
    Container,
    Disk,
    Facts,
    Kernel,
    Listener,
    Lock,
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
    "Container",
    "Disk",
    "Driver",
    "Facts",
    "Gpu",
    "GpuProcess",
    "Kernel",
    "KernelLog",
    "Listener",
    "Lock",
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
