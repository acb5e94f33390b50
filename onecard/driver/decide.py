"""Decide which driver a box gets: a pure function of its facts and the settings.

The names of packages are in packages.py. What is installed are always NVIDIA's open kernel modules
(open_modules.py), signed where Secure Boot is on (secure_boot.py).
"""

from __future__ import annotations

from dataclasses import replace

from onecard.driver import kernels, open_modules, packages, secure_boot
from onecard.driver.of_host import host_driver
from onecard.driver.plan import DriverPlan
from onecard.facts.hardware import Driver
from onecard.facts.model import Facts
from onecard.facts.versions import upstream, version_key
from onecard.settings.settings import DriverSettings

_OLDEST = {"ubuntu": (22, 4), "debian": (12,)}
# A pattern (apt-patterns(7)): with a package name that does not exist, the whole command fails.
_PURGE = "apt-get purge --allow-change-held-packages '~i(~nnvidia|~ncuda-drivers)'"
_BUILT = ("nvidia-dkms-", "nvidia-kernel-dkms", "nvidia-kernel-open-dkms")
_OPEN_BY_HAND = {
    "runfile": "run NVIDIA's installer again with --kernel-module-type=open, then reboot",
    "foreign": "install the open modules the way that the driver came, or take another image",
}
CLEAN_UP = (
    f"remove one route ({_PURGE}, nvidia-uninstall for a runfile), reboot, then provision again;"
    " or set driver.source none to keep it"
)


def decide(facts: Facts, setting: DriverSettings) -> DriverPlan:
    """Return the plan for the driver: leave it, install one, reboot, or refuse with a reason."""
    if facts.machine.container.kind or kernels.of_windows(facts):
        return host_driver(facts)
    driver = facts.driver
    working = driver.smi == "ok" and bool(facts.gpus)
    branch = _branch(driver.version)
    hands_off = setting.source == "none"
    if driver.route == "mixed" and not hands_off:
        return _refuse(f"driver installed by two routes ({', '.join(driver.routes)})", CLEAN_UP)
    undriven = open_modules.undriven(facts)
    if undriven and not hands_off:
        return _open_instead(facts, setting, undriven)
    new_enough = hands_off or _branch(driver.loaded) >= setting.branch
    if driver.smi == "failed" and driver.loaded and new_enough and not driver.mismatch:
        return (driver.open_module and _too_old(facts)) or _broken(facts, undriven)
    if hands_off:
        if working:
            return DriverPlan("leave", f"driver {driver.version}; driver.source is none")
        return _refuse("no working driver, and driver.source is none", "set driver.source auto")
    if working and branch >= setting.branch:
        return _leave(facts, f"driver {driver.version} works and is new enough")
    return _not_good_enough(facts, setting)


def _broken(facts: Facts, undriven: str) -> DriverPlan:
    """Return the refusal for a card that fails although the right driver is loaded.

    undriven: the name of a card that needs the open modules, where nobody may install them.
    """
    if undriven:
        return _refuse(
            f"{undriven} needs NVIDIA's open kernel modules, driver {facts.driver.loaded} has the "
            "closed ones, and driver.source is none",
            "set driver.source auto, or install the open modules of the same branch",
        )
    logged = f"; {facts.kernel_log.last}" if facts.kernel_log.last else ""
    reason = f"driver {facts.driver.loaded} is loaded and nvidia-smi fails: {facts.driver.error}"
    return _refuse(reason + logged, "reboot the box; if it comes again hand the box back")


def _open_instead(facts: Facts, setting: DriverSettings, card: str) -> DriverPlan:
    """Return the plan that replaces closed modules by the open ones of the same branch."""
    driver = facts.driver
    version = driver.loaded or driver.on_disk
    why = f"{card} needs NVIDIA's open kernel modules, driver {version} has the closed ones"
    refusal = _obstacle(facts, setting)
    new = driver.open_on_disk and _branch(driver.on_disk) >= setting.branch
    if refusal is None and driver.loaded and new:
        return _reboot(facts, setting, f"{why}; the open ones of {driver.on_disk} are installed")
    if refusal is None:
        # The packages of another route would have to be purged first.
        own = setting.source == "auto" and driver.route in ("ubuntu", "nvidia")
        route = driver.route if own else _route(facts, setting)
        branch = max(setting.branch, _branch(version))
        refusal = _route_obstacle(facts, route)
        if refusal is None:
            return _install(facts, branch, route, why, remove=open_modules.closed_packages(facts))
    fix = _OPEN_BY_HAND.get(driver.route, refusal.fix)
    return _refuse(f"{why}; {refusal.reason}", fix)


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
        return _reboot(facts, setting, f"module {driver.on_disk} is installed and not loaded")
    route, why = _route(facts, setting), _why(facts.driver, setting.branch)
    return _route_obstacle(facts, route) or _install(facts, setting.branch, route, why)


def _reboot(facts: Facts, setting: DriverSettings, why: str) -> DriverPlan:
    """Return the plan that loads the module on disk; where Secure Boot rejects it, another one."""
    rejection = secure_boot.rejection(facts)
    if not rejection:
        return DriverPlan(
            "reboot",
            why,
            "run provision with --reboot",
            blacklist_nouveau=not facts.driver.nouveau_blacklisted,
            reboot=True,
        )
    if facts.driver.route == _route(facts, setting) == "ubuntu" and kernels.flavour(facts):
        # DKMS's module would be found before the archive's.
        built = [each.name for each in facts.packages.nvidia if each.name.startswith(_BUILT)]
        branch = max(setting.branch, _branch(facts.driver.on_disk))
        return _install(facts, branch, "ubuntu", rejection, remove=tuple(built))
    return _refuse(rejection, f"{secure_boot.enrolment(facts)}; or turn Secure Boot off")


def _obstacle(facts: Facts, setting: DriverSettings) -> DriverPlan | None:
    if not facts.pci_gpus and not facts.gpus and facts.pci_readable:
        return _refuse("no NVIDIA GPU on the PCI bus", "rent a box with one, or accelerator: cpu")
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
    old = _too_old(facts)
    if old:
        return old
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


def _too_old(facts: Facts) -> DriverPlan | None:
    """Return the refusal for a card that the open modules do not drive."""
    for card in facts.pci_gpus:
        if not open_modules.supported(card.device):
            return _refuse(
                f"{card.name or card.device} is older than Turing, which the open modules do not "
                "support",
                "rent a card of Turing or later, or install closed modules of branch 580 or older "
                "and set driver.source none",
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
    if route == "nvidia" and not secure_boot.can_build(facts):
        signed = "set driver.source ubuntu, whose modules are signed, or "
        return _refuse(
            "Secure Boot is on and the key of modules that DKMS builds here is not enrolled",
            (signed if facts.os.id == "ubuntu" and driver.route != "nvidia" else "")
            + f"{secure_boot.enrolment(facts)}, or turn Secure Boot off",
        )
    return None


def _install(
    facts: Facts, branch: int, route: str, why: str, remove: tuple[str, ...] = ()
) -> DriverPlan:
    """Return the plan that installs a branch. remove: installed packages that it replaces."""
    release = facts.kernel.release
    plan = DriverPlan(
        "install",
        f"{why}: branch {branch} from {route}",
        route=route,
        remove=remove,
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
        # A kernel older than the archive's newest may have no module of this branch; then the meta
        # package installs a kernel that has one.
        optional = (headers, packages.ubuntu_modules(branch, release))
        plan = replace(plan, packages=(meta, *packages.ubuntu(branch)), optional=optional)
    else:
        # NVIDIA's repository has sources, built on the box for each kernel: that needs its headers.
        # The archive removes those of older kernels, but always has the newest kernel's.
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
    """Return the plan that leaves the driver, and pins one that was installed as packages."""
    driver = facts.driver
    if driver.route not in ("ubuntu", "debian", "nvidia"):
        return DriverPlan("leave", reason)
    fabric = packages.fabric(driver.route, _branch(driver.version))
    version_from = _version_source(facts, fabric) if facts.nvswitch else ""
    return DriverPlan(
        "leave",
        reason,
        route=driver.route,
        kernel=kernels.metas(facts),
        fabric=fabric if version_from else (),
        version_from=version_from,
        persistence=any(card.persistence is False for card in facts.gpus),
    )


def _version_source(facts: Facts, excluded: tuple[str, ...]) -> str:
    """Return an installed package with the driver's version, preferably a main one, or ''."""
    known = [
        package.name
        for package in facts.packages.nvidia
        if upstream(package.version) == facts.driver.version and package.name not in excluded
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
    return new_enough and facts.kernel.arch in ("x86_64", "")  # "": facts of a report without it


def _branch(version: str) -> int:
    return next(iter(version_key(version)), 0)


def _refuse(reason: str, fix: str) -> DriverPlan:
    return DriverPlan("refuse", reason, fix)
