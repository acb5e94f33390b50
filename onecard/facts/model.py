"""Facts about a box, as values. An empty string, None or () means: not reported by the box."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from onecard.facts.abilities import Ability
from onecard.facts.hardware import Driver, GpuFacts, KernelLog, PciDevice


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

    headers: whether modules can be built for it. modules: whether its modules are on the disk.
    newer: a later kernel of the same flavour that is installed and needs a reboot, or empty.
    reboot_required: the distribution requests a reboot, for the packages in reboot_packages.
    secure_boot: None if the firmware does not report it.
    enrolled_keys: names of the machine owner's keys (MOK), None if unknown.
    signing_key: of the key that DKMS signs modules with: `enrolled`, `pending` (to be confirmed on
        the console at the next boot), `loose` (not enrolled), or `none` (no such key yet).
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
    enrolled_keys: tuple[str, ...] | None = None
    signing_key: str = ""


@dataclass(frozen=True)
class Disk:
    """Space at a path (or at its nearest existing parent), or on a mount. Sizes in GiB.

    device: as df names it.
    """

    path: str
    mount: str
    total_gib: float
    free_gib: float
    inodes_total: int = 0
    inodes_free: int = 0
    read_only: bool = False
    device: str = ""

    @property
    def whole_cluster(self) -> bool:
        """Return whether the sizes are those of a storage cluster, not of the volume in it.

        RunPod's network volumes are MooseFS mounts, whose quota df does not show.
        """
        return self.device.startswith("mfs#")


@dataclass(frozen=True)
class Memory:
    """Sizes in GiB. memlock in KiB, -1 for unlimited.

    total_gib, available_gib, cpus: what the box may use, which is less than the machine's where its
        control group has limits; host_total_gib, host_available_gib, host_cpus: the machine's.
    limit_gib, cpu_limit (in CPUs): those limits, None without one.
    """

    total_gib: float = 0.0
    available_gib: float = 0.0
    host_total_gib: float = 0.0
    host_available_gib: float = 0.0
    swap_gib: float = 0.0
    limit_gib: float | None = None
    shm_gib: float | None = None
    nofile_soft: int = 0
    nofile_hard: int = 0
    memlock_hard: int = 0
    cpus: int = 0
    host_cpus: int = 0
    cpu_limit: float | None = None
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
class AptLock:
    """A lock file of apt or dpkg that a process holds."""

    path: str
    pid: int
    process: str


@dataclass(frozen=True)
class Packages:
    """nvidia: NVIDIA's packages. unfinished: packages that dpkg did not finish.

    journal: dpkg was interrupted, and apt refuses to work until `dpkg --configure -a`.
    unattended: unattended upgrades are on. nvidia_sources: apt sources of NVIDIA's repository.
    """

    nvidia: tuple[Package, ...] = ()
    other: tuple[Package, ...] = ()
    holds: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    journal: bool = False
    locks: tuple[AptLock, ...] = ()
    unattended: bool = False
    unattended_running: bool = False
    nvidia_sources: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Return whether a run of dpkg was interrupted, and none is going on."""
        return (self.journal or bool(self.unfinished)) and not self.locks


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket. process and pid: empty and None if not reported.

    user: its owner, where ss is missing and the process is not known.
    """

    address: str
    port: int
    process: str = ""
    pid: int | None = None
    user: str = ""


@dataclass(frozen=True)
class Network:
    """default_route: the interface, or empty.

    mapped: TCP port of the box -> port of the public address that leads to it, where the provider
        of a pod names them; empty where it does not.
    addresses: IP address -> the interface that has it.
    """

    default_route: str = ""
    nameservers: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    mapped: dict[int, int] = dataclasses.field(default_factory=dict)
    addresses: dict[str, str] = dataclasses.field(default_factory=dict)


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

    @property
    def minor(self) -> str:
        """Return the version without its last part, such as `3.12`; empty without a python3."""
        return ".".join(self.version.split(".")[:2])


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

    provider: `runpod` or `vast`, from the names of process 1's environment variables; else empty.
    kernel: modules could be loaded from here (the capability CAP_SYS_MODULE, in no container).
    """

    kind: str = ""
    provider: str = ""
    vm: str = ""
    kernel: bool = False
    vendor: str = ""
    product: str = ""


@dataclass(frozen=True)
class Machine:
    """root: `root`, `sudo` (without a password), or empty.

    init: the name of process 1. systemd: it is systemd, of systemd_version, in `state`.
    clock_skew: the box's clock minus this computer's in seconds, None if not compared.
    synchronised: the clock follows a time server. cloud_init: `done`, `running`, `error`, ...
    shell: the login's shell. fuse: /dev/fuse is there. no_new_privs: setuid programs gain nothing.
    capabilities: root's, as in capabilities(7) without CAP_; None where they were not read.
    forbidden: what root cannot do here (onecard/facts/abilities.py).
    """

    uid: int = -1
    user: str = ""
    shell: str = ""
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
    fuse: bool | None = None
    no_new_privs: bool = False
    capabilities: tuple[str, ...] | None = None
    forbidden: tuple[Ability, ...] = ()

    def can(self, ability: Ability) -> bool:
        """Return whether root can do this here, as far as the facts tell."""
        return ability not in self.forbidden


@dataclass(frozen=True)
class Facts:
    """Everything known about one box at one moment.

    systemd: it runs the services. volumes: mounts of file systems other than the root's that can
        be written; in a container one of them may outlive it.
    root: what /opt/onecard is a link to, if it is one.
    """

    systemd: bool = False
    volumes: tuple[str, ...] = ()
    root: str = ""
    os: OperatingSystem = dataclasses.field(default_factory=OperatingSystem)
    kernel: Kernel = dataclasses.field(default_factory=Kernel)
    machine: Machine = dataclasses.field(default_factory=Machine)
    pci: tuple[PciDevice, ...] = ()
    pci_readable: bool = True
    gpus: tuple[GpuFacts, ...] = ()
    driver: Driver = dataclasses.field(default_factory=Driver)
    disks: tuple[Disk, ...] = ()
    memory: Memory = dataclasses.field(default_factory=Memory)
    packages: Packages = dataclasses.field(default_factory=Packages)
    network: Network = dataclasses.field(default_factory=Network)
    python: Python = dataclasses.field(default_factory=Python)
    kernel_log: KernelLog = dataclasses.field(default_factory=KernelLog)

    @property
    def nvswitch(self) -> bool:
        """Return whether an NVSwitch is on the PCI bus: only then the Fabric Manager is needed."""
        return any(device.kind == "nvswitch" for device in self.pci)

    @property
    def pci_gpus(self) -> tuple[PciDevice, ...]:
        """Return the GPUs on the PCI bus, with or without a driver."""
        return tuple(device for device in self.pci if device.kind == "gpu")

    def disk(self, path: str) -> Disk | None:
        """Return the space at one of the probed paths."""
        return next((disk for disk in self.disks if disk.path == path), None)


def to_json(facts: Facts) -> dict[str, Any]:
    """Return the facts as plain values for `json.dumps`."""
    return dataclasses.asdict(facts)
