"""Facts about NVIDIA's cards and their driver, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class PciDevice:
    """One NVIDIA device on the PCI bus.

    kind: `gpu`, `nvswitch` or `other` (a card's sound or USB part). driver: `nvidia`, `nouveau`,
    `vfio-pci`, or empty if none is bound.
    """

    address: str
    kind: str
    device: str
    name: str = ""
    driver: str = ""


@dataclass(frozen=True)
class GpuProcess:
    """A process that holds memory of a card. memory_mib: None if not reported."""

    pid: int
    name: str
    memory_mib: int | None


@dataclass(frozen=True)
class GpuFacts:
    """One card, from nvidia-smi. Memory in MiB; capability `9.0`; ecc_errors uncorrected."""

    index: int
    name: str
    uuid: str = ""
    memory_total_mib: int | None = None
    memory_used_mib: int | None = None
    capability: str = ""
    pci: str = ""
    persistence: bool | None = None
    mig: bool | None = None
    mig_devices: tuple[str, ...] = ()
    ecc: bool | None = None
    ecc_errors: int | None = None
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver.

    version: what nvidia-smi reports, else the loaded module's; empty when no driver is loaded.
    cuda: the newest CUDA that it supports, `13.0`.
    loaded: version of the loaded module. on_disk: of the module that a reboot would load.
    open_module: whether the loaded module is NVIDIA's open one. open_on_disk: the one on disk is.
    signer: who signed the module on disk; empty if nobody did, None if unknown.
    smi: `ok`, `missing` (no such program), or `failed`, with its message in `error`.
    route: source of its packages: `none`, `ubuntu`, `debian`, `nvidia` (NVIDIA's own
        repository), `runfile`, `mixed` (two of these), or `foreign` (it works, yet nothing on this
        box installed it: a container, or a prepared image).
    mismatch: whether user space and the loaded module have different versions.
    """

    version: str = ""
    cuda: str = ""
    loaded: str = ""
    on_disk: str = ""
    open_module: bool = False
    open_on_disk: bool | None = None
    signer: str | None = None
    smi: str = "missing"
    error: str = ""
    route: str = "none"
    routes: tuple[str, ...] = ()
    mismatch: bool = False
    uvm: bool = False
    device_nodes: tuple[str, ...] = ()
    nouveau_loaded: bool = False
    nouveau_blacklisted: bool = False
    fabric_manager: str = ""


@dataclass(frozen=True)
class Xid:
    """One Xid error. code: NVIDIA's number. pci: the card, `0000:00:06`."""

    code: int
    pci: str
    line: str


@dataclass(frozen=True)
class KernelLog:
    """The last 20 Xid errors, and other errors of a driver. readable: whether it could be read."""

    xids: tuple[Xid, ...] = ()
    complaints: tuple[str, ...] = ()
    readable: bool = True

    @property
    def last(self) -> str:
        """Return the last error as `kernel log: ...`, without its time; empty without one."""
        entries = [*self.complaints[-1:], *(xid.line for xid in self.xids[-1:])]
        if not entries:
            return ""
        return "kernel log: " + re.sub(r"^\[[^]]*\] *", "", entries[-1])[:120]
