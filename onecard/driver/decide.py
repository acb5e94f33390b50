"""Which driver a box gets: a pure function of its facts and the setting.

Package names: Ubuntu's server guide "NVIDIA drivers installation" and NVIDIA's "Driver
Installation Guide". The open modules serve Turing (capability 7.5) and later.
"""

from __future__ import annotations

from onecard.driver.plan import DriverPlan
from onecard.driver.settings import DriverSettings
from onecard.facts.cards import CARDS
from onecard.facts.lines import version_key
from onecard.facts.model import Facts

_UBUNTU = ("22.04", "24.04", "26.04")
_DEBIAN = ("12", "13")
_KEYRING = "cuda-keyring_1.1-1_all.deb"
CLEAN_UP = (
    "remove one route (apt-get purge '*nvidia*' 'libnvidia*' 'cuda-drivers*', nvidia-uninstall for"
    " a runfile), reboot, then provision again; or set driver.source none to keep it"
)
_FLAVOURS = ("generic", "aws", "azure", "gcp", "oracle", "lowlatency")
# The kernel that a release came with; a later generic one is of its enablement (HWE) stack.
_FIRST_KERNELS = {"22.04": "5.15", "24.04": "6.8"}


def decide(facts: Facts, setting: DriverSettings) -> DriverPlan:
    """Return what to do about the driver: leave it, install one, reboot, or refuse and say why."""
    driver = facts.driver
    working = driver.smi == "ok" and bool(facts.gpus)
    branch = _branch(driver.version)
    if setting.source == "none":
        if working:
            return DriverPlan("leave", f"driver {driver.version}; driver.source is none")
        return _refuse("no working driver, and driver.source is none", "set driver.source auto")
    if driver.route == "mixed":
        return _refuse(f"driver installed by two routes ({', '.join(driver.routes)})", CLEAN_UP)
    if working and branch >= setting.branch:
        return DriverPlan("leave", f"driver {driver.version} works and is new enough")
    return _not_good_enough(facts, setting, branch)


def _not_good_enough(facts: Facts, setting: DriverSettings, branch: int) -> DriverPlan:
    driver = facts.driver
    refusal = _obstacle(facts, setting)
    if refusal:
        return refusal
    if driver.mismatch:
        return DriverPlan(
            "reboot",
            f"user space was replaced under the loaded module {driver.loaded}",
            "reboot the box (--reboot) to load the module that is on disk",
            reboot=True,
        )
    if _branch(driver.on_disk) >= setting.branch and not driver.loaded and driver.routes:
        if facts.kernel.secure_boot and driver.route == "nvidia":
            return _refuse(
                "Secure Boot is on and the installed module is not signed by the distribution",
                "enrol its key on the console (mokutil --import), or turn Secure Boot off",
            )
        return DriverPlan(
            "reboot",
            f"module {driver.on_disk} is installed and not loaded",
            "reboot the box (--reboot)",
            blacklist_nouveau=not driver.nouveau_blacklisted,
            reboot=True,
        )
    route = _route(facts, setting)
    if driver.route in ("ubuntu", "debian", "nvidia") and driver.route != route:
        return _refuse(
            f"driver {driver.version or 'packages'} came from {driver.route}, not from {route}",
            f"purge them first (apt-get purge '*nvidia*' 'libnvidia*'), or set driver.source "
            f"{driver.route if driver.route != 'debian' else 'none'}",
        )
    if route == "ubuntu" and facts.kernel.release.rsplit("-", 1)[-1] not in _FLAVOURS:
        return _refuse(
            f"Ubuntu has no driver modules for the kernel {facts.kernel.release}",
            "install linux-generic and boot it, or set driver.source none",
        )
    if facts.kernel.secure_boot and route == "nvidia":
        return _refuse(
            "Secure Boot is on and NVIDIA's repository has no modules signed for it",
            "turn Secure Boot off in the firmware, or use Ubuntu with driver.source ubuntu",
        )
    why = f"driver {driver.version} is older than {setting.branch}" if branch else "no driver"
    return _install(facts, setting, route, why)


def _obstacle(facts: Facts, setting: DriverSettings) -> DriverPlan | None:
    if not facts.pci_gpus and not facts.gpus and facts.pci_readable:
        return _refuse("no NVIDIA GPU on the PCI bus", "rent a box with one, or accelerator: cpu")
    if facts.machine.container.kind:
        return _refuse(
            f"a {facts.machine.container.kind} container cannot load a driver; it is the host's",
            f"ask the provider for driver >= {setting.branch}, or rent a virtual machine",
        )
    if facts.driver.route == "runfile":
        return _refuse(
            "the driver was installed by NVIDIA's runfile, which apt does not know",
            "nvidia-uninstall, reboot, then provision again; or set driver.source none",
        )
    if facts.driver.route == "foreign" and facts.driver.loaded:
        return _refuse(
            f"driver {facts.driver.version} was installed by no package of this box",
            "update it the way that it came, or set driver.source none",
        )
    old = [card.name for card in facts.pci_gpus if _capability(card.device) < (7, 5)]
    if old:
        return _refuse(
            f"{old[0]} is older than Turing, which the open modules do not serve",
            "rent a card of Turing or later, or install a driver and set driver.source none",
        )
    if not _supported(facts):
        return _refuse(
            f"no driver route known for {facts.os.name or 'this system'} on {facts.kernel.arch}",
            "use Ubuntu 22.04/24.04/26.04 or Debian 12/13, or set driver.source none",
        )
    if setting.source == "ubuntu" and facts.os.id != "ubuntu":
        return _refuse(
            f"driver.source is ubuntu, the box is {facts.os.name}", "set driver.source auto"
        )
    return None


def _install(facts: Facts, setting: DriverSettings, route: str, why: str) -> DriverPlan:
    branch = setting.branch
    release = facts.kernel.release
    if route == "ubuntu":
        packages: tuple[str, ...] = (
            f"linux-headers-{release}",
            f"linux-modules-nvidia-{branch}-server-open-{release}",
            f"linux-modules-nvidia-{branch}-server-open-{_flavour(facts)}",
            f"nvidia-driver-{branch}-server-open",
            f"nvidia-utils-{branch}-server",
        )
        repository: tuple[str, ...] = ()
        fabric = f"nvidia-fabricmanager-{branch}"
        version_from = f"nvidia-utils-{branch}-server"
    else:
        packages = (f"linux-headers-{release}", "nvidia-open")
        repository = _repository(facts, branch)
        fabric = "nvidia-fabricmanager"
        version_from = "nvidia-open"
    return DriverPlan(
        "install",
        f"{why}: branch {branch} from {route}",
        route=route,
        repository=repository,
        packages=packages,
        fabric_package=fabric if facts.nvswitch else "",
        fabric_unit="nvidia-fabricmanager.service" if facts.nvswitch else "",
        version_from=version_from if facts.nvswitch else "",
        blacklist_nouveau=facts.driver.nouveau_loaded or not facts.driver.nouveau_blacklisted,
        persistence=True,
        # A module cannot be swapped while it, or nouveau, holds the card.
        reboot=bool(facts.driver.loaded) or facts.driver.nouveau_loaded,
    )


def _repository(facts: Facts, branch: int) -> tuple[str, ...]:
    """Return how to add NVIDIA's repository, pinned to the branch (its newest driver moves on)."""
    name = facts.os.id + facts.os.version.replace(".", "")
    url = f"https://developer.download.nvidia.com/compute/cuda/repos/{name}/x86_64/{_KEYRING}"
    return (
        f"curl -fsSL -o /var/cache/{_KEYRING} {url} && dpkg -i /var/cache/{_KEYRING}",
        "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -y update",
        "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -y install"
        f" nvidia-driver-pinning-{branch}",
    )


def _route(facts: Facts, setting: DriverSettings) -> str:
    if setting.source != "auto":
        return setting.source
    return "ubuntu" if facts.os.id == "ubuntu" else "nvidia"


def _flavour(facts: Facts) -> str:
    """Return the kernel meta package's flavour, so that the next kernel brings its module too."""
    flavour = facts.kernel.release.rsplit("-", 1)[-1]
    first = _FIRST_KERNELS.get(facts.os.version, "")
    if flavour == "generic" and first and not facts.kernel.release.startswith(first + "."):
        return f"generic-hwe-{facts.os.version}"
    return flavour


def _supported(facts: Facts) -> bool:
    known = {"ubuntu": _UBUNTU, "debian": _DEBIAN}.get(facts.os.id, ())
    return facts.os.version in known and facts.kernel.arch == "x86_64"


def _capability(device: str) -> tuple[int, ...]:
    """Return a card's capability; one that is not in the table is taken for a newer one."""
    return version_key(CARDS[device][1]) if device in CARDS else (99, 0)


def _branch(version: str) -> int:
    return next(iter(version_key(version)), 0)


def _refuse(reason: str, fix: str) -> DriverPlan:
    return DriverPlan("refuse", reason, fix)
