"""Parse the kernel's log: Xid errors, and other messages about NVIDIA's driver."""

from __future__ import annotations

import re

from onecard.facts.hardware import KernelLog, Xid
from onecard.ssh.answer_lines import Lines

# NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.
_XID = re.compile(r"NVRM: Xid \(PCI:(?P<pci>[0-9a-fA-F:.]+)\): (?P<code>\d{1,9})")
_COMPLAINT = re.compile(
    r"API mismatch|RmInitAdapter failed|Key was rejected|nouveau, rivafb|fallen off the bus"
    r"|No NVIDIA GPU found|not supported by|failed to copy vbios|disagrees about version"
    r"|NVIDIA open kernel modules|[Uu]nsigned module"
)
_MOST_LINES = 20


def read_kernel_log(values: Lines) -> KernelLog:
    """Parse the probe `kernel_log`."""
    log_lines = values.all("line")
    xids = [
        Xid(int(found["code"]), found["pci"], line)
        for line in log_lines
        if (found := _XID.search(line))
    ]
    complaints = [line for line in log_lines if not _XID.search(line) and _COMPLAINT.search(line)]
    return KernelLog(
        xids=tuple(xids[-_MOST_LINES:]),
        complaints=tuple(complaints[-_MOST_LINES:]),
        readable=values.one("readable") != "no",
    )
