"""Checks that stop nothing, yet explain tomorrow's trouble. Each: facts, settings -> Check."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.facts.model import Facts
from onecard.settings import Settings


def reboot(facts: Facts, settings: Settings) -> Check:
    """Nothing waits for a reboot."""
    kernel = facts.kernel
    if kernel.newer:
        return Check("reboot", "warning", f"kernel {kernel.newer} waits for a reboot", "reboot")
    if kernel.reboot_required:
        why = ", ".join(kernel.reboot_packages[:3]) or "the distribution"
        return Check("reboot", "warning", f"asked for by {why}", "reboot")
    return Check("reboot", "ok", "none pending")


def headers(facts: Facts, settings: Settings) -> Check:
    """A driver's module can be built for the running kernel."""
    release = facts.kernel.release
    if facts.kernel.headers:
        return Check("headers", "ok", f"for {release}")
    if settings.accelerator == "cpu" or facts.machine.container.kind:
        return Check("headers", "ok", "not needed here")
    return Check(
        "headers", "warning", f"none for {release}", f"apt-get install linux-headers-{release}"
    )


def upgrades(facts: Facts, settings: Settings) -> Check:
    """Upgrades by themselves must not replace the driver under a running server."""
    held = set(facts.packages.holds)
    loose = [
        package.name
        for package in facts.packages.nvidia
        if package.name not in held and "driver" in package.name
    ]
    if facts.packages.unattended and loose:
        return Check(
            "upgrades",
            "warning",
            f"may replace {loose[0]}",
            f"invoke provision, or apt-mark hold {' '.join(loose)}",
        )
    return Check("upgrades", "ok", "on" if facts.packages.unattended else "off")


def python(facts: Facts, settings: Settings) -> Check:
    """Python.h and venv are there; provision installs them otherwise."""
    if facts.python.header and facts.python.ensurepip:
        return Check("python", "ok", f"{facts.python.version} with Python.h")
    missing = "Python.h" if not facts.python.header else "ensurepip"
    return Check(
        "python",
        "warning",
        f"{facts.python.version or 'none'} without {missing}",
        "provision installs python3-dev and python3-venv",
    )


def cloud_init(facts: Facts, settings: Settings) -> Check:
    """The first boot has ended."""
    if facts.machine.cloud_init == "running":
        return Check("cloud-init", "warning", "still running", "cloud-init status --wait")
    return Check("cloud-init", "ok", facts.machine.cloud_init or "absent")


def shared_memory(facts: Facts, settings: Settings) -> Check:
    """Several cards talk through /dev/shm."""
    shm = facts.memory.shm_gib
    if shm is not None and shm < 1 and len(facts.gpus) > 1:
        return Check("shared memory", "warning", f"{shm} GiB", "mount -o remount,size=8G /dev/shm")
    return Check("shared memory", "ok", f"{shm} GiB" if shm is not None else "absent")
