"""The NVIDIA driver, and what keeps others from changing it under a running server."""

from __future__ import annotations

from onecard.driver import DriverPlan, decide, packages
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.apt import AptHolds, AptPackages, AptSameVersion
from onecard.resources.apt_sources import AptOffers, AptRepository
from onecard.resources.base import Resource
from onecard.resources.files import File
from onecard.resources.kernel import KernelModules
from onecard.resources.nvidia import NvidiaDriver, Persistence
from onecard.resources.service import Service

UNATTENDED = "/etc/apt/apt.conf.d/60onecard-driver"
FABRIC_UNIT = "nvidia-fabricmanager.service"
# Where the sources lack a package it is the branch, or, for modules that are built, the kernel.
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
    """Tell whether the box has yet to come to a driver that the other roles can rely on."""
    return host.settings.accelerator == "nvidia" and decide(facts, host.settings.driver).pending


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return what the driver plan asks for; nothing where there is no driver to look after."""
    if host.settings.accelerator == "cpu":
        return ()
    plan = decide(facts, host.settings.driver)
    if plan.action == "refuse":
        raise PreflightError(f"{host.name}: {plan.reason}; {plan.fix}")
    return resources(plan, host.settings.driver.branch)


def offered(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the question to apt's sources that comes before any change."""
    if not pending(host, facts):
        return ()
    return question(decide(facts, host.settings.driver))


def question(plan: DriverPlan) -> tuple[Resource, ...]:
    """Return what asks for a plan's packages; nothing where it has none."""
    if not plan.packages:
        return ()
    names = (plan.pinning, *plan.packages) if plan.pinning else plan.packages
    return (AptOffers(names, elsewhere=plan.repository, hint=_HINTS[plan.route]),)


def resources(plan: DriverPlan, branch: int) -> tuple[Resource, ...]:
    """Return a plan's resources. What comes after the driver at work needs it to be at work."""
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
    """Return apt's configuration that keeps unattended-upgrades off the driver and its kernel."""
    # A new kernel without its module is a box without its GPU after the next reboot.
    kernel = [f"{name}$" for name in plan.kernel]
    lines = [f'    "{expression}";' for expression in (*packages.ANY_EXPRESSIONS, *kernel)]
    return "\n".join(
        ["// Kept by onecard.", "Unattended-Upgrade::Package-Blacklist {", *lines, "};", ""]
    )
