"""Which driver a box gets: a pure function of its facts and the setting.

The names of packages are in packages.py. The open modules serve Turing (capability 7.5) and later
(NVIDIA, "Driver Installation Guide", Kernel Modules).
"""

from __future__ import annotations

from onecard.driver import packages
from onecard.driver.plan import DriverPlan
from onecard.facts.cards import CARDS
from onecard.facts.lines import version_key
from onecard.facts.model import Facts
from onecard.settings import DriverSettings

_UBUNTU = ("22.04", "24.04", "26.04")
_DEBIAN = ("12", "13")
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
        return _leave(facts, f"driver {driver.version} works and is new enough")
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
            "run provision with --reboot to load the module that is on disk",
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
            "run provision with --reboot",
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
    release = facts.kernel.release
    ubuntu = route == "ubuntu"
    names = packages.ubuntu(setting.branch) if ubuntu else packages.NVIDIA
    modules = packages.ubuntu_modules(setting.branch, release) if ubuntu else ""
    meta = packages.ubuntu_modules(setting.branch, _flavour(facts)) if ubuntu else ""
    headers = f"linux-headers-{release}"
    return DriverPlan(
        "install",
        f"{why}: branch {setting.branch} from {route}",
        route=route,
        keyring="" if ubuntu else packages.keyring(facts.os.id, facts.os.version),
        pinning="" if ubuntu else packages.pinning(setting.branch),
        # NVIDIA's repository has sources, built for each kernel on the box: no headers, no driver.
        packages=(meta, *names) if ubuntu else (headers, *names),
        # An older kernel than the archive's newest may have no module of this branch; the meta
        # package then brings a kernel that has one.
        optional=(headers, modules) if ubuntu else (),
        kernel=_kernel(facts),
        fabric=packages.fabric(route, setting.branch) if facts.nvswitch else (),
        version_from=names[-1] if facts.nvswitch else "",
        blacklist_nouveau=facts.driver.nouveau_loaded or not facts.driver.nouveau_blacklisted,
        persistence=True,
        # A module cannot be swapped while it, or nouveau, holds the card.
        reboot=bool(facts.driver.loaded) or facts.driver.nouveau_loaded,
    )


def _leave(facts: Facts, reason: str) -> DriverPlan:
    """Return the plan that changes no driver, and guards one that came as packages."""
    driver = facts.driver
    if driver.route not in ("ubuntu", "debian", "nvidia"):
        return DriverPlan("leave", reason)
    branch = _branch(driver.version)
    present = [package.name for package in facts.packages.nvidia]
    # Both of these programs come in every route with a version of the driver's own.
    tools = [name for name in present if name.startswith(("nvidia-utils-", "nvidia-open"))]
    return DriverPlan(
        "leave",
        reason,
        route=driver.route,
        kernel=_kernel(facts),
        fabric=packages.fabric(driver.route, branch) if facts.nvswitch and tools else (),
        version_from=tools[0] if facts.nvswitch and tools else "",
        persistence=any(card.persistence is False for card in facts.gpus),
    )


def _route(facts: Facts, setting: DriverSettings) -> str:
    if setting.source != "auto":
        return setting.source
    return "ubuntu" if facts.os.id == "ubuntu" else "nvidia"


def _flavour(facts: Facts) -> str:
    """Return the kernel meta package's flavour, so that the next kernel brings its module too."""
    flavour = facts.kernel.release.rsplit("-", 1)[-1]
    metas = [
        # linux-image-virtual brings the generic kernel; no module package is named after it.
        package.name.removeprefix("linux-image-").replace("virtual", "generic")
        for package in facts.packages.other
        if package.name.startswith("linux-image-")
    ]
    known = [meta for meta in metas if meta.split("-")[0] == flavour]
    if known:
        return max(known, key=len)  # generic-hwe-24.04 rather than generic, where both are
    first = _FIRST_KERNELS.get(facts.os.version, "")
    if flavour == "generic" and first and not facts.kernel.release.startswith(first + "."):
        return f"generic-hwe-{facts.os.version}"
    return flavour


def _kernel(facts: Facts) -> tuple[str, ...]:
    """Return the meta packages by which new kernels come, as far as they are installed."""
    metas = []
    for package in facts.packages.other:
        for prefix in ("linux-image-", "linux-headers-"):
            if package.name.startswith(prefix) and not package.name[len(prefix)].isdigit():
                metas.append(package.name)
    return tuple(metas)


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
