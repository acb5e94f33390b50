"""Parse the distribution, kernel, disks, memory and Python."""

from __future__ import annotations

import re

from onecard.facts.model import Disk, Kernel, Memory, OperatingSystem, Python
from onecard.facts.versions import version_key
from onecard.ssh.answer_lines import Lines, gib, real, whole

_NO_LIMIT = 1 << 60  # KiB


def read_os(values: Lines) -> OperatingSystem:
    """Parse os-release."""

    def value(key: str) -> str:
        return values.one(key).strip("\"'")

    return OperatingSystem(
        id=value("ID"),
        version=value("VERSION_ID"),
        codename=value("VERSION_CODENAME"),
        name=value("PRETTY_NAME"),
    )


def read_kernel(values: Lines) -> Kernel:
    """Parse the running kernel, and what needs a reboot."""
    release = values.one("release")
    secure_boot = values.one("secure_boot")
    return Kernel(
        release=release,
        arch=values.one("arch"),
        headers=values.yes("headers"),
        modules=values.yes("modules"),
        newer=_newer(release, values.all("image")),
        boot_id=values.one("boot_id"),
        uptime=real(values.one("uptime")) or 0.0,
        reboot_required=values.yes("reboot_required"),
        reboot_packages=tuple(dict.fromkeys(values.all("reboot_package"))),
        secure_boot={"on": True, "off": False}.get(secure_boot),
        # Only where mokutil ran: without it no key is known, rather than none enrolled.
        enrolled_keys=tuple(dict.fromkeys(values.all("enrolled_key")))
        if values.all("signing_key")
        else None,
        signing_key=values.one("signing_key"),
    )


def _newer(release: str, images: tuple[str, ...]) -> str:
    """Return the newest image of the running kernel's flavour if it is newer, else ''.

    A box whose running kernel is not among its own images boots from outside: its images do not
    determine the next boot.
    """
    if release not in images:
        return ""
    flavour = _flavour(release)
    newest = max((image for image in images if _flavour(image) == flavour), key=version_key)
    return newest if version_key(newest) > version_key(release) else ""


def _flavour(release: str) -> str:
    return re.sub(r"^[0-9.+~-]*", "", release)


def read_disks(values: Lines) -> tuple[Disk, ...]:
    """Parse `df -Pk` and `df -Pi`, which print one line for each path in order."""
    read_only = set(values.all("read_only"))
    disks = []
    inodes = values.all("inodes")
    pairs = zip(values.all("path"), values.all("blocks"), strict=False)
    for index, (path, line) in enumerate(pairs):
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
                inodes_total=whole(counts[1]) or 0 if len(counts) == 6 else 0,
                inodes_free=whole(counts[3]) or 0 if len(counts) == 6 else 0,
                read_only=fields[5] in read_only,
                device=fields[0],
            )
        )
    return tuple(disks)


def read_volumes(values: Lines) -> tuple[str, ...]:
    """Parse the volumes: /workspace, which RunPod and Vast name theirs, before all others."""
    return tuple(sorted(dict.fromkeys(values.all("volume")), key=lambda at: at != "/workspace"))


def read_memory(values: Lines) -> Memory:
    """Parse memory, limits and the processor."""
    groups = [_MemoryGroup(line) for line in values.all("memory_group")]
    limit = min((group.limit for group in groups), default=_NO_LIMIT)
    room = min((group.room for group in groups), default=_NO_LIMIT)
    cpu_limit = min(filter(None, map(_cpu_limit, values.all("cpu_group"))), default=None)
    total, available = values.number("MemTotal"), values.number("MemAvailable")
    cpus, host_cpus = values.number("cpus"), values.number("host_cpus")
    shared = values.one("shm").split(None, 5)
    flags = set(values.one("flags").split())
    return Memory(
        total_gib=gib(min(total, limit)),
        available_gib=gib(min(available, room)),
        host_total_gib=gib(total),
        host_available_gib=gib(available),
        swap_gib=gib(values.number("SwapTotal")),
        # A limit above what the machine has limits nothing.
        limit_gib=gib(limit) if limit < total else None,
        shm_gib=gib(whole(shared[1]) or 0) if len(shared) > 1 else None,
        nofile_soft=_limit(values.one("nofile_soft")),
        nofile_hard=_limit(values.one("nofile_hard")),
        memlock_hard=_limit(values.one("memlock_hard")),
        cpus=cpus if cpu_limit is None else min(cpus, max(1, int(cpu_limit))),
        host_cpus=host_cpus or cpus,
        cpu_limit=cpu_limit,
        cpu=values.one("cpu"),
        avx2="avx2" in flags,
        avx512="avx512f" in flags,
    )


class _MemoryGroup:
    """A control group's limit in KiB, and what is left of it.

    Pages of inactive files count as used, but are freed first: without them it is what Kubernetes
    calls the working set.
    """

    def __init__(self, line: str) -> None:
        numbers = [whole(word) for word in line.split()]
        limit, used, cache = (*numbers, None, None, None)[:3]
        # `max` is no number; version 1 has the largest number of pages for no limit.
        self.limit = _NO_LIMIT if limit is None else limit >> 10
        self.room = max(0, self.limit - max(0, (used or 0) - (cache or 0) >> 10))


def _cpu_limit(line: str) -> float | None:
    """Return the CPUs of `QUOTA PERIOD`, both in microseconds; None for `max` and -1."""
    quota, period = (*map(whole, line.split()), None, None)[:2]
    return round(quota / period, 2) if quota and period and quota > 0 else None


def _limit(text: str) -> int:
    return -1 if text == "unlimited" else whole(text) or 0


def read_python(values: Lines) -> Python:
    """Parse the Pythons, and the tools that compile at run time."""
    tools = dict(line.split(" ", 1) for line in values.all("tool") if " " in line)
    return Python(
        version=values.one("default"),
        executable=values.one("executable"),
        header=values.one("header"),
        venv=values.yes("venv"),
        ensurepip=values.yes("ensurepip"),
        others=values.all("python"),
        tools=tools,
        libc=values.one("libc").removeprefix("glibc "),
    )
