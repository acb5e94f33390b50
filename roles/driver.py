"""The NVIDIA driver, and what keeps others from changing it under a running server."""

from __future__ import annotations

from onecard.driver import DriverPlan, decide, packages
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.apt import AptHolds, AptPackages, AptRepository, AptSameVersion
from onecard.resources.base import Resource
from onecard.resources.files import File
from onecard.resources.kernel import KernelModules
from onecard.resources.nvidia import NvidiaDriver, Persistence
from onecard.resources.service import Service

UNATTENDED = "/etc/apt/apt.conf.d/60onecard-driver"
FABRIC_UNIT = "nvidia-fabricmanager.service"


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


def resources(plan: DriverPlan, branch: int) -> tuple[Resource, ...]:
    """Return a plan's resources. What comes after the driver at work needs it to be at work."""
    wanted: list[Resource] = []
    hint = f"does the archive have driver.branch {branch}? `apt-cache search nvidia-` tells"
    if plan.keyring:
        wanted += [
            AptRepository(packages.KEYRING, plan.keyring),
            AptPackages((plan.pinning,), hint=hint),
        ]
    if plan.blacklist_nouveau:
        wanted.append(KernelModules(blacklist=("nouveau",)))
    if plan.packages:
        wanted.append(AptPackages(plan.packages, optional=plan.optional, move_held=True, hint=hint))
    if plan.fabric:
        wanted.append(AptSameVersion(plan.fabric, plan.version_from))
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
