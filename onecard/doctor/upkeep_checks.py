"""Checks that stop nothing, yet explain tomorrow's trouble. Each: facts, settings -> Check."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.driver import kernels
from onecard.driver.decide import decide
from onecard.facts.model import Facts
from onecard.settings import Settings


def reboot(facts: Facts, settings: Settings) -> Check:
    """Nothing waits for a reboot."""
    kernel = facts.kernel
    why = ""
    if kernel.newer:
        why = f"kernel {kernel.newer} waits for it"
    elif kernel.reboot_required:
        why = f"asked for by {', '.join(kernel.reboot_packages[:3]) or 'the distribution'}"
    if why:
        return Check("reboot", "warning", why, "systemctl reboot")
    return Check("reboot", "ok", "none pending")


def headers(facts: Facts, settings: Settings) -> Check:
    """A driver's module can be built for the running kernel."""
    release = facts.kernel.release
    if facts.kernel.headers:
        return Check("headers", "ok", f"for {release}")
    if settings.accelerator == "cpu" or facts.machine.container.kind:
        return Check("headers", "ok", "not needed here")
    fix = f"apt-get install linux-headers-{release}"
    if kernels.flavour(facts):
        newest = " ".join(kernels.wanted_metas(facts))
        fix += f"; where apt has them no more: apt-get install {newest}, and a reboot"
    return Check("headers", "warning", f"none for {release}", fix)


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
            "invoke provision"
            if decide(facts, settings.driver).route
            else f"apt-mark hold {' '.join(loose)}",
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
        "invoke provision, which installs python3-dev and python3-venv",
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
        fix = (
            "start the container with --shm-size=8g or --ipc=host"
            if facts.machine.container.kind
            else "mount -o remount,size=8G /dev/shm"
        )
        return Check("shared memory", "warning", f"{shm} GiB", fix)
    return Check("shared memory", "ok", f"{shm} GiB" if shm is not None else "absent")
