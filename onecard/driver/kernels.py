"""The distribution's kernels: the running one, and the packages of the next. Pure.

Ubuntu names a kernel VERSION-ABI-FLAVOUR (6.8.0-90-generic, 6.8.0-1019-azure-fde; wiki.ubuntu.com/
Kernel/FAQ), Debian ends its names with the flavour (6.1.0-40-cloud-amd64, 6.12.48+deb13-amd64;
Debian Linux Kernel Handbook, chapter 3). A flavour's kernels come from meta packages, which may
name a series: linux-image-generic-hwe-24.04, linux-image-gcp-lts-22.04, linux-image-gcp-6.17.
"""

from __future__ import annotations

import re

from onecard.facts.model import Facts

_NAMES = {
    "ubuntu": re.compile(r"\d+\.\d+\.\d+-\d+-([a-z][a-z0-9-]*)"),
    "debian": re.compile(r"\d[\w.+~-]*?-((?:cloud-|rt-)?amd64)"),
}
_META = re.compile(r"linux-(?:image|headers)-(?!unsigned-)\D.*")
# A release's first kernel; a later generic one is of its hardware enablement (HWE) stack.
_FIRST_KERNELS = {"22.04": "5.15", "24.04": "6.8"}


def of_windows(facts: Facts) -> bool:
    """Return whether the kernel is that of the Windows Subsystem for Linux (...-microsoft-...)."""
    return "microsoft" in facts.kernel.release.lower()


def flavour(facts: Facts) -> str:
    """Return the running kernel's flavour (`generic`, `cloud-amd64`), '' for a foreign kernel."""
    known = _NAMES.get(facts.os.id)
    found = known.fullmatch(facts.kernel.release) if known else None
    return found[1] if found else ""


def series(facts: Facts) -> str:
    """Return the suffix of its meta packages: `generic-hwe-24.04`; '' for a foreign kernel."""
    name = flavour(facts)
    of_flavour = re.compile(rf"{re.escape(name)}(-(hwe|lts|edge|\d).*)?")
    known = [
        series
        for meta in metas(facts)
        if meta.startswith("linux-image-")
        # linux-image-virtual brings the generic kernel; nothing else is named after it.
        and of_flavour.fullmatch(
            series := meta.removeprefix("linux-image-").replace("virtual", "generic")
        )
    ]
    if known:
        return max(known, key=len)  # generic-hwe-24.04 rather than generic, if both are installed
    first = _FIRST_KERNELS.get(facts.os.version, "")
    if name == "generic" and first and not facts.kernel.release.startswith(first + "."):
        return f"generic-hwe-{facts.os.version}"
    return name


def metas(facts: Facts) -> tuple[str, ...]:
    """Return the installed meta packages of kernels."""
    return tuple(package.name for package in facts.packages.other if _META.fullmatch(package.name))


def wanted_metas(facts: Facts) -> tuple[str, ...]:
    """Return the packages of the newest kernel in the running one's series, and of its headers."""
    name = series(facts)
    return (f"linux-image-{name}", f"linux-headers-{name}")
