"""Check that there is a build of torch and vLLM for the driver and card, before any change."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.driver.decide import decide
from onecard.driver.forward import fixed, forward_compatibility
from onecard.facts.model import Facts
from onecard.facts.versions import version_key
from onecard.inventory.host import Host
from onecard.locks.box_match import box_match
from onecard.locks.build_match import NoMatch, needed_driver
from onecard.settings.settings import Settings


def build(facts: Facts, settings: Settings) -> Check:
    """Check that the channel has a build for the driver that the box has, or will get."""
    found = box_match(facts, settings)
    if isinstance(found, NoMatch):
        reason, _, fix = found.reason.partition("; ")
        return Check("build", "blocker", reason, fix, "NVIDIA CUDA Compatibility")
    wanted = f"vLLM {settings.vllm.channel} {settings.vllm.version}".strip()
    forward = forward_compatibility(facts, settings.driver, found.torch_backend)
    package = f", with {forward.package}" if forward else ""
    return Check("build", "ok", f"{wanted}, {found.torch_backend}{package}, Python {found.python}")


def lock_checks(facts: Facts, host: Host) -> tuple[Check, ...]:
    """Check that the driver, installed or planned, supports the CUDA of the host's lock file."""
    lock = host.lock
    if lock is None or host.settings.accelerator != "nvidia" or not facts.driver.version:
        return ()
    needed = needed_driver(lock.cuda)
    branch = next(iter(version_key(facts.driver.version)), 0)
    if decide(facts, host.settings.driver).pending:  # provision will install that one
        branch = max(branch, host.settings.driver.branch)
    setting = host.settings.driver
    if branch >= needed or forward_compatibility(facts, setting, lock.cuda):
        return ()
    upgrade = f"invoke upgrade --host {host.name}"
    return (
        Check(
            "lock",
            "blocker",
            f"driver {branch} is too old for the locked {lock.cuda} build: needs >= {needed}",
            f"{upgrade}, or take a box with driver >= {needed}"
            if fixed(facts, setting)
            else f"run provision with driver.branch {needed}, or {upgrade}",
            "NVIDIA CUDA Compatibility",
        ),
    )
