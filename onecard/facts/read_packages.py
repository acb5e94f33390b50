"""Reading Debian's packages, apt's locks and the upgrades that happen by themselves."""

from __future__ import annotations

from onecard.facts.lines import Lines
from onecard.facts.model import Lock, Package, Packages


def read_packages(told: Lines) -> Packages:
    """Read the probe `packages`."""
    periodic = told.all("periodic")
    other = tuple(_package(line) for line in told.all("other"))
    locks = tuple(_lock(line) for line in told.all("lock") if line.count(" ") >= 2)
    return Packages(
        nvidia=tuple(_package(line) for line in told.all("nvidia")),
        other=other,
        holds=told.all("hold"),
        unfinished=told.all("unfinished"),
        journal=bool(told.all("journal")),
        locks=locks,
        unattended=any(package.name == "unattended-upgrades" for package in other)
        and bool(periodic)
        and '"0"' not in periodic[-1],
        unattended_running=any(lock.process.startswith("unattended-upgr") for lock in locks),
        nvidia_sources=told.all("nvidia_source"),
    )


def _package(line: str) -> Package:
    name, _, rest = line.partition("|")
    version, _, maintainer = rest.partition("|")
    return Package(name, version, _origin(maintainer))


def _origin(maintainer: str) -> str:
    """Return whose package it is. The maintainer tells, where version schemes are alike."""
    owner = maintainer.lower()
    if "@nvidia.com" in owner or owner.startswith("nvidia "):
        return "nvidia"
    if "ubuntu" in owner or "canonical" in owner:
        return "ubuntu"
    if "debian" in owner:
        return "debian"
    return ""


def _lock(line: str) -> Lock:
    path, pid, process = line.split(" ", 2)
    return Lock(path, int(pid), process)
