"""Checks that block nothing, but predict later failures. Each: facts, settings -> Check."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.driver import kernels
from onecard.driver.decide import decide
from onecard.facts.model import Facts
from onecard.settings.settings import Settings


def reboot(facts: Facts, settings: Settings) -> Check:
    """Check that no reboot is pending."""
    if facts.machine.container.kind and not facts.machine.can("reboot"):
        return Check("reboot", "ok", "the host's")
    kernel = facts.kernel
    why = ""
    if kernel.newer:
        why = f"kernel {kernel.newer} needs it"
    elif kernel.reboot_required:
        why = f"requested by {', '.join(kernel.reboot_packages[:3]) or 'the distribution'}"
    if why:
        return Check("reboot", "warning", why, "systemctl reboot")
    return Check("reboot", "ok", "none pending")


def headers(facts: Facts, settings: Settings) -> Check:
    """Check that a driver's module can be built for the running kernel."""
    release = facts.kernel.release
    if facts.kernel.headers:
        return Check("headers", "ok", f"for {release}")
    if settings.accelerator == "cpu" or facts.machine.container.kind:
        return Check("headers", "ok", "not needed here")
    fix = f"apt-get install linux-headers-{release}"
    if kernels.flavour(facts):
        newest = " ".join(kernels.wanted_metas(facts))
        fix += f"; if apt no longer has them: apt-get install {newest}, and a reboot"
    return Check("headers", "warning", f"none for {release}", fix)


def upgrades(facts: Facts, settings: Settings) -> Check:
    """Check that unattended upgrades cannot replace the driver under a running server."""
    held = set(facts.packages.holds)
    loose = [
        package.name
        for package in facts.packages.nvidia
        if package.name not in held and "driver" in package.name
    ]
    # In a container the driver is the host's, and these are its libraries at most.
    if facts.packages.unattended and loose and not facts.machine.container.kind:
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
    """Check that Python.h and venv are installed; provision installs them."""
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
    """Check that the first boot has ended."""
    if facts.machine.cloud_init == "running":
        return Check("cloud-init", "warning", "still running", "cloud-init status --wait")
    return Check("cloud-init", "ok", facts.machine.cloud_init or "absent")
