"""Is there a build of torch and vLLM for this driver and card? Made before anything is changed."""

from __future__ import annotations

from onecard.cuda_match import NoMatch, match, needed_driver
from onecard.doctor.check import Check
from onecard.driver.decide import decide
from onecard.facts.lines import version_key
from onecard.facts.model import Facts
from onecard.host import Host
from onecard.settings import Settings


def build(facts: Facts, settings: Settings) -> Check:
    """The channel has a build for the driver that the box has, or is about to get."""
    plan = decide(facts, settings.driver)
    version = facts.driver.version if plan.action == "leave" else str(settings.driver.branch)
    found = match(
        version,
        min((gpu.capability for gpu in facts.gpus), key=version_key, default=""),
        settings.python.version or facts.python.version,
        settings.vllm.channel,
        settings.vllm.version,
    )
    if isinstance(found, NoMatch):
        reason, _, fix = found.reason.partition("; ")
        return Check("build", "blocker", reason, fix, "NVIDIA CUDA Compatibility")
    wanted = f"vLLM {settings.vllm.channel} {settings.vllm.version}".strip()
    return Check("build", "ok", f"{wanted}, {found.torch_backend}, Python {found.python}")


def lock_checks(facts: Facts, host: Host) -> tuple[Check, ...]:
    """Return whether the driver, as it is or is about to be, serves the CUDA of the host's lock."""
    lock = host.lock
    if lock is None or host.settings.accelerator != "nvidia" or not facts.driver.version:
        return ()
    needed = needed_driver(lock.cuda)
    branch = next(iter(version_key(facts.driver.version)), 0)
    if decide(facts, host.settings.driver).pending:  # provision is about to install that one
        branch = max(branch, host.settings.driver.branch)
    if branch >= needed:
        return ()
    return (
        Check(
            "lock",
            "blocker",
            f"driver {branch} is too old for the locked {lock.cuda} build: needs >= {needed}",
            f"run provision with driver.branch {needed}, or invoke upgrade --host {host.name}",
            "NVIDIA CUDA Compatibility",
        ),
    )
