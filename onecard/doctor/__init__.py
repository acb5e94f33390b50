"""Checks of a box: `preflight` before a change, `checkup` for `invoke doctor`."""

from __future__ import annotations

from onecard.doctor import box_checks, build_checks, gpu_checks, serving_checks, upkeep_checks
from onecard.doctor.check import Check
from onecard.doctor.check_table import print_checks, print_facts, to_json
from onecard.facts.model import Facts
from onecard.settings.settings import Settings

__all__ = [
    "Check",
    "blockers",
    "checkup",
    "preflight",
    "print_checks",
    "print_facts",
    "serving",
    "to_json",
]

_BOX = (
    box_checks.system,
    box_checks.architecture,
    box_checks.root,
    box_checks.systemd,
    box_checks.container,
    box_checks.clock,
    box_checks.disk,
    box_checks.writable,
    box_checks.memory,
    box_checks.dpkg,
    box_checks.apt_lock,
    box_checks.network,
    box_checks.port,
)
_GPU_FIRST = (
    gpu_checks.gpu,
    gpu_checks.driver_plan,
    build_checks.build,
    gpu_checks.nouveau,
    gpu_checks.fabric,
    gpu_checks.mig,
)
_GPU_LATER = (
    gpu_checks.xid,
    gpu_checks.ecc,
    gpu_checks.processes,
    gpu_checks.persistence,
)
_UPKEEP = (
    upkeep_checks.reboot,
    upkeep_checks.headers,
    upkeep_checks.upgrades,
    upkeep_checks.python,
    upkeep_checks.cloud_init,
    *serving_checks.SERVING,
)


def preflight(facts: Facts, settings: Settings) -> tuple[Check, ...]:
    """Run the checks that come before any change."""
    checks = [check(facts, settings) for check in _BOX]
    if settings.accelerator == "nvidia":
        first = gpu_checks.gpu(facts, settings)
        rest = () if first.status == "blocker" else _GPU_FIRST[1:]
        checks += [first, *(check(facts, settings) for check in rest)]
    return tuple(checks)


def checkup(facts: Facts, settings: Settings) -> tuple[Check, ...]:
    """Run all checks."""
    checks = list(preflight(facts, settings))
    if settings.accelerator == "nvidia":
        checks += [check(facts, settings) for check in _GPU_LATER]
    return (*checks, *(check(facts, settings) for check in _UPKEEP))


def serving(facts: Facts, settings: Settings) -> tuple[Check, ...]:
    """Run the checks of what the server needs, before a start. settings: with their decisions."""
    return tuple(check(facts, settings) for check in serving_checks.SERVING)


def blockers(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Return the checks that block a change."""
    return tuple(check for check in checks if check.status == "blocker")
