"""The facts as lines for the terminal: subject and text. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from onecard.facts.hardware import GpuFacts
from onecard.facts.model import Facts, Listener

_CARDS = 8  # a box's cards are alike; this fits a screen
_PORTS = 8


def rows(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield subject and text of each line."""
    yield "system", _joined(_system(facts))
    yield "machine", _joined(_machine(facts))
    yield "memory", _joined(_memory(facts))
    yield "limits", _limits(facts)
    yield from _disks(facts)
    yield "network", _joined(_network(facts))
    yield "packages", _joined(_packages(facts))
    yield "python", _joined(_python(facts))
    yield from _cards(facts)


def _system(facts: Facts) -> Iterator[str]:
    kernel = facts.kernel
    yield facts.os.name or "unknown"
    yield f"kernel {kernel.release} {kernel.arch}"
    yield "headers" if kernel.headers else "no headers"
    if kernel.secure_boot is not None:
        yield f"Secure Boot {'on' if kernel.secure_boot else 'off'}"
    if kernel.newer:
        yield f"{kernel.newer} waits for a reboot"
    elif kernel.reboot_required:
        yield "needs a reboot"


def _machine(facts: Facts) -> Iterator[str]:
    machine, box = facts.machine, facts.machine.container
    if box.kind:
        yield f"{box.kind} container" + (f" of {box.provider}" if box.provider else "")
    if box.vm:
        yield "virtual machine" if box.vm == "unknown" else f"{box.vm} virtual machine"
    if not box.kind and not box.vm:
        yield "bare metal"
    if box.product:
        yield " ".join((box.vendor, box.product)).strip()
    yield f"systemd {machine.systemd_version}" if machine.systemd else f"init {machine.init}"
    yield f"up {_duration(facts.kernel.uptime)}"
    if facts.memory.cpu:
        yield f"{facts.memory.cpus} x {facts.memory.cpu}"
    else:
        yield f"{facts.memory.cpus} CPUs"
    if facts.memory.cpus < facts.memory.host_cpus:
        yield f"of the machine's {facts.memory.host_cpus}"
    if machine.forbidden:
        yield f"not allowed here: {', '.join(machine.forbidden)}"


def _memory(facts: Facts) -> Iterator[str]:
    memory = facts.memory
    yield f"{memory.total_gib:.0f} GiB, {memory.available_gib:.0f} available"
    if memory.limit_gib is not None:
        yield f"a limit: the machine has {memory.host_total_gib:.0f} GiB"
    yield f"swap {memory.swap_gib:.0f} GiB"
    yield "no /dev/shm" if memory.shm_gib is None else f"/dev/shm {memory.shm_gib:.1f} GiB"  # noqa: S108


def _limits(facts: Facts) -> str:
    memory = facts.memory
    locked = "unlimited" if memory.memlock_hard < 0 else f"{memory.memlock_hard} KiB"
    return f"{memory.nofile_soft} open files, at most {memory.nofile_hard}; locked memory {locked}"


def _disks(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield one line for each mount, with its paths."""
    mounts: dict[str, list[str]] = {}
    for disk in facts.disks:
        mounts.setdefault(disk.mount, []).append(disk.path)
    for mount, paths in mounts.items():
        disk = next(disk for disk in facts.disks if disk.mount == mount)
        others = [path for path in paths if path != mount]
        where = f"{mount} (for {', '.join(others)})" if others else mount
        room = f"{disk.free_gib:.0f} of {disk.total_gib:.0f} GiB free"
        volume = ", a volume" if facts.machine.container.kind and mount in facts.volumes else ""
        yield "disk", f"{room}, {where}{volume}" + (", read-only" if disk.read_only else "")


def _network(facts: Facts) -> Iterator[str]:
    network = facts.network
    yield f"out by {network.default_route}" if network.default_route else "no way out"
    yield f"DNS {', '.join(network.nameservers)}" if network.nameservers else "no name server"
    ports = list(dict.fromkeys(map(_listener, network.listeners)))
    if ports:
        more = f" and {len(ports) - _PORTS} more" if len(ports) > _PORTS else ""
        yield f"listening: {', '.join(ports[:_PORTS])}{more}"
    if network.mapped:
        pairs = ", ".join(f"{outer} to {inner}" for inner, outer in sorted(network.mapped.items()))
        yield f"public ports lead: {pairs}"


def _listener(one: Listener) -> str:
    return f"{one.port} {one.process}".strip()


def _packages(facts: Facts) -> Iterator[str]:
    packages = facts.packages
    if packages.locks:
        lock = packages.locks[0]
        yield f"apt is held by {lock.process} ({lock.pid})"
    else:
        yield "apt is free"
    yield f"unattended-upgrades {'on' if packages.unattended else 'off'}"
    if packages.holds:
        yield f"held: {', '.join(packages.holds[:3])}" + (
            f" and {len(packages.holds) - 3} more" if len(packages.holds) > 3 else ""
        )


def _python(facts: Facts) -> Iterator[str]:
    python = facts.python
    yield python.version or "none"
    if python.version:
        yield "with Python.h" if python.header else "no Python.h"
        yield "venv" if python.ensurepip else "no venv"
    tools = [name for name in ("gcc", "ninja", "uv", "nvcc") if name in python.tools]
    if tools:
        yield f"beside it {', '.join(tools)}"


def _cards(facts: Facts) -> Iterator[tuple[str, str]]:
    driver = facts.driver
    if driver.version:
        kind = "open" if driver.open_module else "closed"
        parts = [f"{driver.version} ({kind} module)", f"CUDA {driver.cuda or 'unknown'}"]
        foreign = driver.route == "foreign"
        parts.append("from no package of this box" if foreign else f"from {driver.route}")
        if facts.kernel.secure_boot and driver.signer is not None:
            parts.append(f"signed by {driver.signer}" if driver.signer else "not signed")
        if facts.nvswitch:
            parts.append(f"NVSwitch, Fabric Manager {_fabric(facts)}")
        yield "driver", _joined(parts)
    elif driver.nouveau_loaded:
        yield "driver", "nouveau"
    for card in facts.gpus[:_CARDS]:
        yield f"GPU {card.index}", _joined(_card(card))
        for process in card.processes:
            held = "" if process.memory_mib is None else f", {process.memory_mib} MiB"
            yield "", f"{process.name} ({process.pid}){held}"
    if not facts.gpus:
        for device in facts.pci_gpus[:_CARDS]:
            bound = device.driver or "no driver"
            yield "GPU", f"{device.name or device.device} at {device.address}, {bound}"
    if facts.kernel_log.xids:
        codes = ", ".join(str(xid.code) for xid in facts.kernel_log.xids[-5:])
        yield "Xid", f"{len(facts.kernel_log.xids)} in the kernel log, the last: {codes}"


def _fabric(facts: Facts) -> str:
    version = facts.driver.fabric_manager
    unit = facts.machine.units.get("nvidia-fabricmanager.service")
    state = unit.active if unit and unit.found else ""
    return " ".join(filter(None, (version, state))) or "absent"


def _card(card: GpuFacts) -> Iterator[str]:
    yield card.name
    yield f"{card.memory_used_mib or 0} of {card.memory_total_mib or 0} MiB used"
    yield f"capability {card.capability or 'unknown'}"
    for name, value in (("persistence", card.persistence), ("MIG", card.mig), ("ECC", card.ecc)):
        if value is not None:
            yield f"{name} {'on' if value else 'off'}"


def _joined(parts: Iterator[str] | list[str]) -> str:
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
