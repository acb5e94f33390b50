"""Parse Debian's packages, apt's locks and the unattended upgrades."""

from __future__ import annotations

from onecard.facts.model import AptLock, Package, Packages
from onecard.ssh.answer_lines import Lines, whole


def read_packages(values: Lines) -> Packages:
    """Parse the probe `packages`."""
    periodic = values.all("periodic")
    other = tuple(_package(line) for line in values.all("other"))
    locks = tuple(filter(None, map(_lock, values.all("lock"))))
    return Packages(
        nvidia=tuple(_package(line) for line in values.all("nvidia")),
        other=other,
        holds=values.all("hold"),
        unfinished=values.all("unfinished"),
        journal=bool(values.all("journal")),
        locks=locks,
        unattended=any(package.name == "unattended-upgrades" for package in other)
        and bool(periodic)
        and '"0"' not in periodic[-1],
        unattended_running=any(lock.process.startswith("unattended-upgr") for lock in locks),
        nvidia_sources=values.all("nvidia_source"),
    )


def _package(line: str) -> Package:
    name, _, rest = line.partition("|")
    version, _, maintainer = rest.partition("|")
    return Package(name, version, _origin(maintainer))


def _origin(maintainer: str) -> str:
    """Return a package's origin from its maintainer: version schemes may be alike."""
    owner = maintainer.lower()
    if "@nvidia.com" in owner or owner.startswith("nvidia "):
        return "nvidia"
    if "ubuntu" in owner or "canonical" in owner:
        return "ubuntu"
    if "debian" in owner:
        return "debian"
    return ""


def _lock(line: str) -> AptLock | None:
    path, _, rest = line.partition(" ")
    number, space, process = rest.partition(" ")
    pid = whole(number)
    return AptLock(path, pid, process) if space and pid is not None else None
