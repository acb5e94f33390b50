"""Reading the kernel's log: Xid errors and what else it says about NVIDIA's driver."""

from __future__ import annotations

import re

from onecard.facts.hardware import KernelLog, Xid
from onecard.facts.lines import Lines

# NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.
_XID = re.compile(r"NVRM: Xid \(PCI:(?P<pci>[0-9a-fA-F:.]+)\): (?P<code>\d+)")
_COMPLAINT = re.compile(
    r"API mismatch|RmInitAdapter failed|Key was rejected|nouveau, rivafb|fallen off the bus"
    r"|No NVIDIA GPU found|not supported by|failed to copy vbios|disagrees about version"
)
_KEPT = 20


def read_kernel_log(told: Lines) -> KernelLog:
    """Read the probe `kernel_log`."""
    said = told.all("line")
    xids = [
        Xid(int(found["code"]), found["pci"], line) for line in said if (found := _XID.search(line))
    ]
    complaints = [line for line in said if not _XID.search(line) and _COMPLAINT.search(line)]
    return KernelLog(
        xids=tuple(xids[-_KEPT:]),
        complaints=tuple(complaints[-_KEPT:]),
        readable=told.one("readable") != "no",
    )
