"""Which driver a box gets: a pure function of its facts and the setting.

The names of packages are in packages.py. The open modules serve Turing (capability 7.5) and later
(NVIDIA, "Driver Installation Guide", Kernel Modules).
"""

from __future__ import annotations

import re
from dataclasses import replace

from onecard.driver import kernels, packages
from onecard.driver.plan import DriverPlan
from onecard.facts.cards import CARDS
from onecard.facts.hardware import Driver
from onecard.facts.lines import upstream, version_key
from onecard.facts.model import Facts
from onecard.settings import DriverSettings

_OLDEST = {"ubuntu": (22, 4), "debian": (12,)}
# A pattern of apt's (apt-patterns(7)): a name that matches nothing would end the whole command.
_PURGE = "apt-get purge --allow-change-held-packages '~i(~nnvidia|~ncuda-drivers)'"
CLEAN_UP = (
    f"remove one route ({_PURGE}, nvidia-uninstall for a runfile), reboot, then provision again;"
    " or set driver.source none to keep it"
)


def decide(facts: Facts, setting: DriverSettings) -> DriverPlan:
    """Return what to do about the driver: leave it, install one, reboot, or refuse and say why."""
    driver = facts.driver
    working = driver.smi == "ok" and bool(facts.gpus)
    branch = _branch(driver.version)
    hands_off = setting.source == "none"
    if driver.route == "mixed" and not hands_off:
        return _refuse(f"driver installed by two routes ({', '.join(driver.routes)})", CLEAN_UP)
    new_enough = hands_off or _branch(driver.loaded) >= setting.branch
    if driver.smi == "failed" and driver.loaded and new_enough and not driver.mismatch:
        return _broken(facts)
    if hands_off:
        if working:
            return DriverPlan("leave", f"driver {driver.version}; driver.source is none")
        return _refuse("no working driver, and driver.source is none", "set driver.source auto")
    if working and branch >= setting.branch:
        return _leave(facts, f"driver {driver.version} works and is new enough")
    return _not_good_enough(facts, setting)


def _broken(facts: Facts) -> DriverPlan:
    """Return the refusal for a card that the right driver, loaded, does not bring to work."""
    log = facts.kernel_log
    told = [*log.complaints[-1:], *(xid.line for xid in log.xids[-1:])]
    logged = "; kernel log: " + re.sub(r"^\[[^]]*\] *", "", told[-1])[:120] if told else ""
    fix = (
        "tell the provider, or rent another box"
        if facts.machine.container.kind
        else "reboot the box; if it comes again hand the box back"
    )
    reason = f"driver {facts.driver.loaded} is loaded and nvidia-smi fails: {facts.driver.error}"
    return _refuse(reason + logged, fix)


def _not_good_enough(facts: Facts, setting: DriverSettings) -> DriverPlan:
    driver = facts.driver
    refusal = _obstacle(facts, setting)
    if refusal:
        return refusal
    installed = _branch(driver.on_disk) >= setting.branch
    if driver.mismatch and installed:
        return DriverPlan(
            "reboot",
            f"user space was replaced under the loaded module {driver.loaded}",
            "run provision with --reboot to load the module that is on disk",
            reboot=True,
        )
    if installed and not driver.loaded and driver.routes:
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
    return _route_obstacle(facts, route) or _install(facts, setting, route)


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
            "use Ubuntu >= 22.04 or Debian >= 12 on x86_64, or set driver.source none",
        )
    if setting.source == "ubuntu" and facts.os.id != "ubuntu":
        return _refuse(
            f"driver.source is ubuntu, the box is {facts.os.name}", "set driver.source auto"
        )
    return None


def _route_obstacle(facts: Facts, route: str) -> DriverPlan | None:
    driver, kernel = facts.driver, facts.kernel
    if driver.route in ("ubuntu", "debian", "nvidia") and driver.route != route:
        return _refuse(
            f"driver {driver.version or 'packages'} came from {driver.route}, not from {route}",
            f"purge them first ({_PURGE}) and reboot, or set driver.source "
            f"{driver.route if driver.route != 'debian' else 'none'}",
        )
    if not kernels.flavour(facts) and (route == "ubuntu" or not kernel.headers):
        kind = "driver modules" if route == "ubuntu" else "headers"
        own = "generic" if facts.os.id == "ubuntu" else "image-amd64"
        return _refuse(
            f"{facts.os.id.capitalize()} has no {kind} for the kernel {kernel.release}",
            f"install linux-{own} and boot it, or set driver.source none",
        )
    if kernel.secure_boot and route == "nvidia":
        return _refuse(
            "Secure Boot is on and NVIDIA's repository has no modules signed for it",
            "turn Secure Boot off in the firmware, or use Ubuntu with driver.source ubuntu",
        )
    return None


def _install(facts: Facts, setting: DriverSettings, route: str) -> DriverPlan:
    branch, release = setting.branch, facts.kernel.release
    plan = DriverPlan(
        "install",
        f"{_why(facts.driver, branch)}: branch {branch} from {route}",
        route=route,
        kernel=kernels.metas(facts),
        fabric=packages.fabric(route, branch) if facts.nvswitch else (),
        blacklist_nouveau=facts.driver.nouveau_loaded or not facts.driver.nouveau_blacklisted,
        persistence=True,
        # A module cannot be swapped while it, or nouveau, holds the card.
        reboot=bool(facts.driver.loaded) or facts.driver.nouveau_loaded,
    )
    headers = f"linux-headers-{release}"
    if route == "ubuntu":
        meta = packages.ubuntu_modules(branch, kernels.series(facts))
        # An older kernel than the archive's newest may have no module of this branch; the meta
        # package then brings a kernel that has one.
        optional = (headers, packages.ubuntu_modules(branch, release))
        plan = replace(plan, packages=(meta, *packages.ubuntu(branch)), optional=optional)
    else:
        # NVIDIA's repository has sources, built for each kernel on the box: no headers, no driver.
        # Those of an older kernel leave the archive, where the newest kernel's always are.
        plan = replace(
            plan,
            repository=packages.repository(facts.os.id, facts.os.version),
            pinning=packages.pinning(branch),
            packages=packages.NVIDIA,
            at_least=tuple((name, str(branch)) for name in packages.NVIDIA),
            optional=() if facts.kernel.headers else (headers,),
            otherwise=() if facts.kernel.headers else kernels.wanted_metas(facts),
        )
    return replace(plan, version_from=plan.packages[-1]) if plan.fabric else plan


def _why(driver: Driver, branch: int) -> str:
    if not driver.loaded:
        return "no driver"
    if _branch(driver.loaded) < branch:
        return f"driver {driver.loaded} is older than {branch}"
    if driver.smi == "missing":
        return f"driver {driver.loaded} is loaded without its nvidia-smi"
    return f"driver {driver.loaded} is loaded and {driver.on_disk or 'none'} is installed"


def _leave(facts: Facts, reason: str) -> DriverPlan:
    """Return the plan that changes no driver, and guards one that came as packages."""
    driver = facts.driver
    if driver.route not in ("ubuntu", "debian", "nvidia"):
        return DriverPlan("leave", reason)
    fabric = packages.fabric(driver.route, _branch(driver.version))
    telling = _telling(facts, fabric) if facts.nvswitch else ""
    return DriverPlan(
        "leave",
        reason,
        route=driver.route,
        kernel=kernels.metas(facts),
        fabric=fabric if telling else (),
        version_from=telling,
        persistence=any(card.persistence is False for card in facts.gpus),
    )


def _telling(facts: Facts, but: tuple[str, ...]) -> str:
    """Return an installed package whose version is the driver's, the best known of them, or ''."""
    known = [
        package.name
        for package in facts.packages.nvidia
        if upstream(package.version) == facts.driver.version and package.name not in but
    ]
    best = [name for name in known if name.startswith(("nvidia-utils-", "nvidia-open"))]
    return next(iter((*best, *known)), "")


def _route(facts: Facts, setting: DriverSettings) -> str:
    if setting.source != "auto":
        return setting.source
    return "ubuntu" if facts.os.id == "ubuntu" else "nvidia"


def _supported(facts: Facts) -> bool:
    oldest = _OLDEST.get(facts.os.id)
    new_enough = oldest is not None and version_key(facts.os.version) >= oldest
    return new_enough and facts.kernel.arch == "x86_64"


def _capability(device: str) -> tuple[int, ...]:
    """Return a card's capability; one that is not in the table is taken for a newer one."""
    return version_key(CARDS[device][1]) if device in CARDS else (99, 0)


def _branch(version: str) -> int:
    return next(iter(version_key(version)), 0)


def _refuse(reason: str, fix: str) -> DriverPlan:
    return DriverPlan("refuse", reason, fix)
