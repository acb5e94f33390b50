"""The NVIDIA driver, and holds against upgrades of it under a running server."""

from __future__ import annotations

from onecard.driver import DriverPlan, decide, kernels, packages
from onecard.driver.forward import ForwardCompatibility, forward_compatibility
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.locks.box_match import box_match
from onecard.locks.build_match import NoMatch
from onecard.resources.apt.packages import AptHolds, AptPackages, AptSameVersion
from onecard.resources.apt.sources import AptAvailability, AptRepository
from onecard.resources.base import Resource
from onecard.resources.files.file import File
from onecard.resources.skipped import Skipped
from onecard.resources.system.kernel import KernelModules
from onecard.resources.system.nvidia import CudaDriver, NvidiaDriver, Persistence
from onecard.resources.system.service import Service
from onecard.templates.quoting import apt_string

UNATTENDED = "/etc/apt/apt.conf.d/60onecard-driver"
FABRIC_UNIT = "nvidia-fabricmanager.service"
# Where the sources lack a package the cause is the branch or, for built modules, the kernel.
_HINTS = {
    "ubuntu": (
        "set driver.branch to one that `apt-cache search linux-modules-nvidia` lists for the "
        "kernel, boot a kernel that it lists, or set driver.source none"
    ),
    "nvidia": (
        "set driver.branch to one that the repository of NVIDIA has a package "
        "nvidia-driver-pinning-BRANCH for, or set driver.source none"
    ),
}


def pending(host: Host, facts: Facts) -> bool:
    """Return whether the box does not have a driver yet that the other roles can use."""
    return host.settings.accelerator == "nvidia" and decide(facts, host.settings.driver).pending


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the resources of the driver plan; none where there is no driver to manage."""
    if host.settings.accelerator == "cpu":
        return ()
    plan = decide(facts, host.settings.driver)
    if plan.action == "refuse":
        raise PreflightError(f"{host.name}: {plan.reason}; {plan.fix}")
    if facts.machine.container.kind or kernels.of_windows(facts):
        why = "container" if facts.machine.container.kind else "WSL"
        return (Skipped("NVIDIA driver", why), *_forward(host, facts))
    return (*resources(plan, host.settings.driver.branch), *_forward(host, facts))


def libraries(host: Host, facts: Facts) -> str:
    """Return the server's LD_LIBRARY_PATH: the forward compatibility package's folder, or none."""
    forward = _needed(host, facts)
    return forward.folder if forward else ""


def _needed(host: Host, facts: Facts) -> ForwardCompatibility | None:
    """Return the package that the build needs on this driver: the lock's build, or the next."""
    if host.settings.accelerator == "cpu":
        return None
    if host.lock:
        return forward_compatibility(facts, host.settings.driver, host.lock.cuda)
    found = box_match(facts, host.settings)
    if isinstance(found, NoMatch):
        return None
    return forward_compatibility(facts, host.settings.driver, found.torch_backend)


def _forward(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the package, and the proof that it works, before anything large is downloaded."""
    forward = _needed(host, facts)
    if forward is None:
        return ()
    source = AptRepository(
        packages.KEYRING, packages.keyring(packages.repository(facts.os.id, facts.os.version))
    )
    return (
        # Images made from NVIDIA's have its repository, under whatever name.
        *(() if facts.packages.nvidia_sources else (source,)),
        AptPackages((forward.package,)),
        CudaDriver(forward.folder, forward.cuda),
    )


def availability(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the check of apt's sources that runs before any change."""
    if not pending(host, facts):
        return ()
    return availability_of(decide(facts, host.settings.driver))


def availability_of(plan: DriverPlan) -> tuple[Resource, ...]:
    """Return the check that apt's sources have a plan's packages; none where it has no packages."""
    if not plan.packages:
        return ()
    names = (plan.pinning, *plan.packages) if plan.pinning else plan.packages
    return (AptAvailability(names, elsewhere=plan.repository, hint=_HINTS[plan.route]),)


def resources(plan: DriverPlan, branch: int) -> tuple[Resource, ...]:
    """Return a plan's resources. Those after the driver need it to be loaded."""
    wanted: list[Resource] = []
    if plan.repository:
        wanted += [
            AptRepository(packages.KEYRING, packages.keyring(plan.repository)),
            AptPackages((plan.pinning,), move_held=True),
        ]
    if plan.packages:
        wanted.append(
            AptPackages(
                plan.packages,
                at_least=plan.at_least,
                optional=plan.optional,
                otherwise=plan.otherwise,
                remove=plan.remove,
                move_held=True,
            )
        )
    if plan.blacklist_nouveau:
        wanted.append(KernelModules(blacklist=("nouveau",)))
    if plan.fabric:
        wanted.append(AptSameVersion(plan.fabric, plan.version_from, at_least=str(branch)))
    if plan.route:
        wanted += [_holds(plan), File(UNATTENDED, _unattended(plan))]
    if plan.route or plan.pending:
        wanted.append(NvidiaDriver(branch))
    if plan.persistence:
        wanted.append(Persistence())
    if plan.fabric:
        wanted.append(Service(FABRIC_UNIT))
    return tuple(wanted)


def _holds(plan: DriverPlan) -> AptHolds:
    return AptHolds(plan.packages, (*packages.ANY, *plan.kernel))


def _unattended(plan: DriverPlan) -> str:
    """Return apt's configuration that excludes driver and kernel from unattended-upgrades."""
    # After a reboot into a new kernel without the module, the box has no GPU.
    kernel = [f"{name}$" for name in plan.kernel]
    lines = [f"    {apt_string(each)};" for each in (*packages.ANY_EXPRESSIONS, *kernel)]
    return "\n".join(
        ["// Written by onecard.", "Unattended-Upgrade::Package-Blacklist {", *lines, "};", ""]
    )
