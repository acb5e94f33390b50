"""Is the box fit? `preflight` before anything is changed, `checkup` for `invoke doctor`."""

from __future__ import annotations

from onecard.doctor import box_checks, build_checks, gpu_checks, upkeep_checks
from onecard.doctor.check import Check
from onecard.doctor.screen import render_checks, render_facts, to_json
from onecard.facts.model import Facts
from onecard.settings import Settings

__all__ = ["Check", "blockers", "checkup", "preflight", "render_checks", "render_facts", "to_json"]

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
    upkeep_checks.shared_memory,
)


def preflight(facts: Facts, settings: Settings) -> tuple[Check, ...]:
    """Return the checks made before anything is changed."""
    checks = [check(facts, settings) for check in _BOX]
    if settings.accelerator == "nvidia":
        first = gpu_checks.gpu(facts, settings)
        rest = () if first.status == "blocker" else _GPU_FIRST[1:]
        checks += [first, *(check(facts, settings) for check in rest)]
    return tuple(checks)


def checkup(facts: Facts, settings: Settings) -> tuple[Check, ...]:
    """Return every check."""
    checks = list(preflight(facts, settings))
    if settings.accelerator == "nvidia":
        checks += [check(facts, settings) for check in _GPU_LATER]
    return (*checks, *(check(facts, settings) for check in _UPKEEP))


def blockers(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Return the checks that forbid going on."""
    return tuple(check for check in checks if check.status == "blocker")
