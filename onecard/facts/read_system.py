"""Reading the distribution, kernel, disks, memory and Python."""

from __future__ import annotations

import re

from onecard.facts.lines import Lines, gib, version_key, whole
from onecard.facts.model import Disk, Kernel, Memory, OperatingSystem, Python


def read_os(told: Lines) -> OperatingSystem:
    """Read os-release."""

    def value(key: str) -> str:
        return told.one(key).strip("\"'")

    return OperatingSystem(
        id=value("ID"),
        version=value("VERSION_ID"),
        codename=value("VERSION_CODENAME"),
        name=value("PRETTY_NAME"),
    )


def read_kernel(told: Lines) -> Kernel:
    """Read the running kernel and what waits for a reboot."""
    release = told.one("release")
    secure_boot = told.one("secure_boot")
    return Kernel(
        release=release,
        arch=told.one("arch"),
        headers=told.yes("headers"),
        modules=told.yes("modules"),
        newer=_newer(release, told.all("image")),
        boot_id=told.one("boot_id"),
        uptime=float(told.one("uptime") or 0),
        reboot_required=told.yes("reboot_required"),
        reboot_packages=tuple(dict.fromkeys(told.all("reboot_package"))),
        secure_boot={"on": True, "off": False}.get(secure_boot),
    )


def _newer(release: str, images: tuple[str, ...]) -> str:
    """Return the newest image of the running kernel's flavour if it is newer, else ''.

    A box that runs a kernel which is not among its own images is booted from outside; its images
    say nothing about the next boot.
    """
    if release not in images:
        return ""
    flavour = _flavour(release)
    newest = max((image for image in images if _flavour(image) == flavour), key=version_key)
    return newest if version_key(newest) > version_key(release) else ""


def _flavour(release: str) -> str:
    return re.sub(r"^[0-9.+~-]*", "", release)


def read_disks(told: Lines) -> tuple[Disk, ...]:
    """Read `df -Pk` and `df -Pi`, which print one line for each path in order."""
    read_only = set(told.all("read_only"))
    disks = []
    inodes = told.all("inodes")
    for index, (path, line) in enumerate(zip(told.all("path"), told.all("blocks"), strict=False)):
        fields = line.split(None, 5)
        if len(fields) < 6:
            continue
        counts = inodes[index].split(None, 5) if index < len(inodes) else []
        disks.append(
            Disk(
                path=path,
                mount=fields[5],
                total_gib=gib(whole(fields[1]) or 0),
                free_gib=gib(whole(fields[3]) or 0),
                inodes_total=whole(counts[1]) or 0 if counts else 0,
                inodes_free=whole(counts[3]) or 0 if counts else 0,
                read_only=fields[5] in read_only,
            )
        )
    return tuple(disks)


def read_memory(told: Lines) -> Memory:
    """Read memory, limits and the processor."""
    limit = whole(told.one("cgroup_limit"))
    shared = told.one("shm").split(None, 5)
    flags = set(told.one("flags").split())
    return Memory(
        total_gib=gib(told.number("MemTotal")),
        available_gib=gib(told.number("MemAvailable")),
        swap_gib=gib(told.number("SwapTotal")),
        limit_gib=None if limit is None else gib(limit // 1024),
        shm_gib=gib(whole(shared[1]) or 0) if len(shared) > 1 else None,
        nofile_soft=_limit(told.one("nofile_soft")),
        nofile_hard=_limit(told.one("nofile_hard")),
        memlock_hard=_limit(told.one("memlock_hard")),
        cpus=told.number("cpus"),
        cpu=told.one("cpu"),
        avx2="avx2" in flags,
        avx512="avx512f" in flags,
    )


def _limit(text: str) -> int:
    return -1 if text == "unlimited" else whole(text) or 0


def read_python(told: Lines) -> Python:
    """Read the Pythons and the tools that compile at run time."""
    tools = dict(line.split(" ", 1) for line in told.all("tool") if " " in line)
    return Python(
        version=told.one("default"),
        executable=told.one("executable"),
        header=told.one("header"),
        venv=told.yes("venv"),
        ensurepip=told.yes("ensurepip"),
        others=told.all("python"),
        tools=tools,
        libc=told.one("libc").removeprefix("glibc "),
    )
