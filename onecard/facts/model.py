"""The facts about a box, as values. An empty string, None or () means: the box did not say."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from onecard.facts.hardware import Driver, Gpu, KernelLog, PciDevice


@dataclass(frozen=True)
class OperatingSystem:
    """From os-release: id `ubuntu`, version `24.04`, codename `noble`, and the name in full."""

    id: str = ""
    version: str = ""
    codename: str = ""
    name: str = ""


@dataclass(frozen=True)
class Kernel:
    """The running kernel.

    headers: modules can be built for it. modules: its modules lie on the disk.
    newer: a later kernel of the same flavour that is installed and waits for a reboot, or empty.
    reboot_required: the distribution asks for a reboot; reboot_packages says for what.
    secure_boot: None where the firmware cannot be asked.
    uptime: seconds.
    """

    release: str = ""
    arch: str = ""
    headers: bool = False
    modules: bool = False
    newer: str = ""
    boot_id: str = ""
    uptime: float = 0.0
    reboot_required: bool = False
    reboot_packages: tuple[str, ...] = ()
    secure_boot: bool | None = None


@dataclass(frozen=True)
class Disk:
    """Room at a path (or at its nearest existing parent), or on a mount. Sizes in GiB."""

    path: str
    mount: str
    total_gib: float
    free_gib: float
    inodes_total: int = 0
    inodes_free: int = 0
    read_only: bool = False


@dataclass(frozen=True)
class Memory:
    """Sizes in GiB. limit_gib: a container's own limit. memlock in KiB, -1 for unlimited."""

    total_gib: float = 0.0
    available_gib: float = 0.0
    swap_gib: float = 0.0
    limit_gib: float | None = None
    shm_gib: float | None = None
    nofile_soft: int = 0
    nofile_hard: int = 0
    memlock_hard: int = 0
    cpus: int = 0
    cpu: str = ""
    avx2: bool = False
    avx512: bool = False


@dataclass(frozen=True)
class Package:
    """An installed Debian package. origin: `ubuntu`, `debian`, `nvidia` or empty."""

    name: str
    version: str
    origin: str = ""


@dataclass(frozen=True)
class Lock:
    """A lock file of apt or dpkg that a process holds."""

    path: str
    pid: int
    process: str


@dataclass(frozen=True)
class Packages:
    """nvidia: NVIDIA's packages. unfinished: packages that dpkg did not finish.

    journal: dpkg was interrupted, and apt refuses to work until `dpkg --configure -a`.
    unattended: upgrades happen by themselves. nvidia_sources: apt sources of NVIDIA's repository.
    """

    nvidia: tuple[Package, ...] = ()
    other: tuple[Package, ...] = ()
    holds: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    journal: bool = False
    locks: tuple[Lock, ...] = ()
    unattended: bool = False
    unattended_running: bool = False
    nvidia_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket. process and pid are empty and None where the box does not tell."""

    address: str
    port: int
    process: str = ""
    pid: int | None = None


@dataclass(frozen=True)
class Network:
    """default_route: the interface, or empty."""

    default_route: str = ""
    nameservers: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()


@dataclass(frozen=True)
class Python:
    """The default python3 (version `3.12.3`), its Python.h, and others by path.

    tools: name -> path of compilers and the like.
    """

    version: str = ""
    executable: str = ""
    header: str = ""
    venv: bool = False
    ensurepip: bool = False
    others: tuple[str, ...] = ()
    tools: dict[str, str] = dataclasses.field(default_factory=dict)
    libc: str = ""


@dataclass(frozen=True)
class Unit:
    """A systemd unit: active `active`, `inactive`, `failed`, ...; enabled `enabled`, ..."""

    name: str
    active: str = ""
    enabled: str = ""
    found: bool = False


@dataclass(frozen=True)
class Container:
    """kind: empty on a machine of its own; else `docker`, `lxc`, `systemd-nspawn`, ...

    kernel: modules could be loaded from here (the capability CAP_SYS_MODULE, in no container).
    """

    kind: str = ""
    vm: str = ""
    kernel: bool = False
    vendor: str = ""
    product: str = ""


@dataclass(frozen=True)
class Machine:
    """root: `root`, `sudo` (without a password), or empty.

    init: the name of process 1. systemd: it is systemd, of systemd_version, in `state`.
    clock_skew: the box's clock less the asker's in seconds, None when not compared.
    synchronised: the clock follows a time server. cloud_init: `done`, `running`, `error`, ...
    """

    uid: int = -1
    user: str = ""
    root: str = ""
    init: str = ""
    systemd: bool = False
    systemd_version: str = ""
    state: str = ""
    units: dict[str, Unit] = dataclasses.field(default_factory=dict)
    epoch: int = 0
    clock_skew: float | None = None
    synchronised: bool | None = None
    cloud_init: str = ""
    container: Container = dataclasses.field(default_factory=Container)


@dataclass(frozen=True)
class Facts:
    """Everything known about one box at one moment."""

    os: OperatingSystem = dataclasses.field(default_factory=OperatingSystem)
    kernel: Kernel = dataclasses.field(default_factory=Kernel)
    machine: Machine = dataclasses.field(default_factory=Machine)
    pci: tuple[PciDevice, ...] = ()
    pci_readable: bool = True
    gpus: tuple[Gpu, ...] = ()
    driver: Driver = dataclasses.field(default_factory=Driver)
    disks: tuple[Disk, ...] = ()
    memory: Memory = dataclasses.field(default_factory=Memory)
    packages: Packages = dataclasses.field(default_factory=Packages)
    network: Network = dataclasses.field(default_factory=Network)
    python: Python = dataclasses.field(default_factory=Python)
    kernel_log: KernelLog = dataclasses.field(default_factory=KernelLog)

    @property
    def nvswitch(self) -> bool:
        """An NVSwitch shows on the PCI bus: only such a box needs the Fabric Manager."""
        return any(device.kind == "nvswitch" for device in self.pci)

    @property
    def pci_gpus(self) -> tuple[PciDevice, ...]:
        """The GPUs on the PCI bus, driver or none."""
        return tuple(device for device in self.pci if device.kind == "gpu")

    def disk(self, path: str) -> Disk | None:
        """Return the room at one of the paths that were asked about."""
        return next((disk for disk in self.disks if disk.path == path), None)


def to_json(facts: Facts) -> dict[str, Any]:
    """Return the facts as what `json.dumps` takes."""
    return dataclasses.asdict(facts)
