"""Parse the cards: the PCI bus, nvidia-smi, the driver and the source of its packages."""

from __future__ import annotations

import re

from onecard.facts.cards import CARDS, NVSWITCHES
from onecard.facts.hardware import Driver, GpuFacts, GpuProcess, PciDevice
from onecard.facts.model import Package
from onecard.ssh.answer_lines import Lines, whole

# Packages of the driver itself: many boxes have the distribution's driver, but CUDA's libraries and
# the container toolkit from NVIDIA's repository.
_DRIVER_PACKAGE = re.compile(
    r"^(nvidia-(driver|open|dkms|kernel|utils|compute-utils|headless|firmware|fabricmanager"
    r"|persistenced|modprobe|smi|alternative)(-|$)|libnvidia-(compute|cfg1|gl)(-|$)|libcuda1$|cuda-drivers"
    r"|linux-(modules|objects|signatures)-nvidia-)"
)
# These have one version scheme across drivers, or do not conflict with another route's driver.
_NEUTRAL = re.compile(r"^nvidia-(modprobe|alternative|persistenced)")
_PROC_VERSION = re.compile(r"(?:Kernel Module(?: for \S+)?)\s+(?P<version>\d[\d.]+)")
_MISMATCH = re.compile(r"Driver/library version mismatch")


def read_pci(values: Lines) -> tuple[PciDevice, ...]:
    """Parse NVIDIA's devices on the PCI bus."""
    names = {}
    for line in values.all("lspci"):
        fields = re.findall(r'"([^"]*)"', line)
        if len(fields) > 2:
            bracket = re.search(r"\[(.*)\]", fields[2])
            names[line.split(" ", 1)[0]] = bracket[1] if bracket else fields[2]
    devices = []
    for line in values.all("device"):
        if len(words := line.split(" ")) < 3:
            continue
        address, code, device, *driver = words
        kind = (
            "gpu" if code.startswith("03") else "nvswitch" if code.startswith("0680") else "other"
        )
        known = CARDS.get(device, ("", ""))[0] or NVSWITCHES.get(device, "")
        name = known or names.get(address, "")
        devices.append(PciDevice(address, kind, device, name, driver[0] if driver else ""))
    return tuple(devices)


def read_gpus(values: Lines, pci: tuple[PciDevice, ...]) -> tuple[GpuFacts, ...]:
    """Parse `nvidia-smi --query-gpu`, the processes, and MIG's slices; empty if it failed."""
    if values.one("exit") != "0":
        return ()
    processes: dict[str, list[GpuProcess]] = {}
    for line in values.all("app"):
        fields = [field.strip() for field in line.split(",", 3)]
        pid = whole(fields[1]) if len(fields) == 4 else None
        if pid is not None:
            processes.setdefault(fields[0], []).append(GpuProcess(pid, fields[3], whole(fields[2])))
    slices = _slices(values.all("list"))
    return tuple(
        _gpu(index, row, pci, processes, slices)
        for row in values.all("gpu")
        if (index := whole(row.partition(",")[0])) is not None
    )


def _slices(listed: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Parse `nvidia-smi -L`: each card's line, then the lines of its MIG slices."""
    slices: dict[str, tuple[str, ...]] = {}
    card = ""
    for line in listed:
        found = re.search(r"UUID: ((?:GPU|MIG)-[^)]+)\)", line)
        if found and line.startswith("GPU "):
            card = found[1]
        elif found and line.startswith("MIG "):
            slices[card] = (*slices.get(card, ()), f"{line.split()[1]} {found[1]}")
    return slices


def _gpu(
    index: int,
    row: str,
    pci: tuple[PciDevice, ...],
    processes: dict[str, list[GpuProcess]],
    slices: dict[str, tuple[str, ...]],
) -> GpuFacts:
    fields = [field.strip() for field in row.split(",")] + [""] * 12
    _, name, uuid, _, total, used, bus, persistence, capability, mig, ecc, errors = fields[:12]
    return GpuFacts(
        index=index,
        name=name,
        uuid=uuid,
        memory_total_mib=whole(total),
        memory_used_mib=whole(used),
        capability=capability if re.fullmatch(r"\d+\.\d+", capability) else _known(bus, pci),
        pci=bus.lower()[4:] if len(bus) == len("00000000:00:06.0") else bus.lower(),
        persistence=_switch(persistence),
        mig=_switch(mig),
        mig_devices=slices.get(uuid, ()),
        ecc=_switch(ecc),
        ecc_errors=whole(errors),
        processes=tuple(processes.get(uuid, ())),
    )


def _known(bus: str, pci: tuple[PciDevice, ...]) -> str:
    """Return the capability of the card at a bus address by its PCI device number."""
    for device in pci:
        if bus.lower().endswith(device.address.lower()):
            return CARDS.get(device.device, ("", ""))[1]
    return ""


def _switch(text: str) -> bool | None:
    return {"Enabled": True, "Disabled": False}.get(text)


def read_driver(
    values: Lines, gpus: tuple[GpuFacts, ...], installed: tuple[Package, ...]
) -> Driver:
    """Parse the driver: loaded, on disk, in user space, and its route."""
    proc = " ".join(values.all("proc"))
    found = _PROC_VERSION.search(proc)
    loaded = values.one("loaded") or (found["version"] if found else "")
    rows = [line.split(",") for line in values.all("gpu")]
    cards = [row for row in rows if len(row) > 3 and whole(row[0]) is not None]
    reported = cards[0][3].strip() if gpus and cards else ""
    smi_output = " ".join(values.all("gpu"))
    smi = "missing" if not values.yes("smi") else "ok" if gpus else "failed"
    routes = _routes(values, installed)
    if routes:
        route = routes[0] if len(routes) == 1 else "mixed"
    else:
        route = "foreign" if loaded or smi == "ok" else "none"
    modules = values.all("module")
    manager = re.search(r"(\d+\.[\d.]+)", values.one("fabric_manager"))
    return Driver(
        version=reported or loaded,
        cuda=values.one("cuda"),
        loaded=loaded,
        on_disk=values.one("on_disk"),
        open_module="Open Kernel Module" in proc,
        open_on_disk=_open_license(values.one("license")),
        signer=_signer(values),
        smi=smi,
        error=_error(values, smi_output) if smi == "failed" else "",
        route=route,
        routes=routes,
        mismatch=bool(_MISMATCH.search(smi_output)),
        uvm="nvidia_uvm" in modules,
        device_nodes=values.all("node"),
        nouveau_loaded="nouveau" in modules,
        nouveau_blacklisted=bool(values.all("blacklist")),
        fabric_manager=manager[1] if manager else "",
    )


def _open_license(license_text: str) -> bool | None:
    """Return whether a module's license is the open one's; None if it was not read."""
    return "GPL" in license_text if license_text else None


def _signer(values: Lines) -> str | None:
    """Return who signed the module on disk, '' for an unsigned one, None if unknown.

    A kmod that was built without OpenSSL reports a signature, and no signer.
    """
    if not values.all("signature"):
        return None
    signer = values.one("signer")
    return signer or (None if values.one("signature") else "")


def _error(values: Lines, smi_output: str) -> str:
    code = values.one("exit")
    silent = "no answer within 60 s" if code in ("124", "137") else f"exit code {code or 'unknown'}"
    return smi_output[:300] or silent


def _routes(values: Lines, installed: tuple[Package, ...]) -> tuple[str, ...]:
    """Return the routes by which parts of the driver were installed, sorted."""
    routes = {
        package.origin
        for package in installed
        if package.origin
        and _DRIVER_PACKAGE.match(package.name)
        and not _NEUTRAL.match(package.name)
    }
    if values.yes("runfile"):
        routes.add("runfile")
    return tuple(sorted(routes))
