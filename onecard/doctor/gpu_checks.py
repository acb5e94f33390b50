"""Checks of the cards and their driver. Each: facts, settings -> Check."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.driver.decide import decide
from onecard.facts.model import Facts
from onecard.settings import Settings

# NVIDIA, "XID Errors": the card or its link is at fault, not the program.
_HARDWARE_XIDS = {48, 63, 64, 74, 79, 94, 95, 119}


def gpu(facts: Facts, settings: Settings) -> Check:
    """A GPU shows on the PCI bus (or, in a container that hides the bus, to nvidia-smi)."""
    names = [g.name for g in facts.gpus] or [d.name or d.device for d in facts.pci_gpus]
    if names:
        return Check("gpu", "ok", f"{len(names)} x {names[0]}")
    return Check(
        "gpu",
        "blocker",
        "no NVIDIA GPU on the PCI bus",
        "rent a box with one, or set accelerator: cpu",
    )


def driver_plan(facts: Facts, settings: Settings) -> Check:
    """What the driver role would do."""
    plan = decide(facts, settings.driver)
    if plan.action == "leave":
        return Check("driver", "ok", plan.reason)
    if plan.action == "refuse":
        return Check("driver", "blocker", plan.reason, plan.fix)
    flag = " --reboot" if plan.reboot else ""
    return Check("driver", "warning", plan.reason, f"invoke provision{flag}")


def nouveau(facts: Facts, settings: Settings) -> Check:
    """The card is not held by nouveau."""
    if not facts.driver.nouveau_loaded:
        return Check("nouveau", "ok", "not loaded")
    fix = (
        "invoke provision --reboot"
        if decide(facts, settings.driver).pending
        else "echo blacklist nouveau >/etc/modprobe.d/no-nouveau.conf; update-initramfs -u -k all; "
        "systemctl reboot"
    )
    return Check("nouveau", "warning", "loaded: it holds the card", fix)


def fabric(facts: Facts, settings: Settings) -> Check:
    """NVSwitch boxes need the Fabric Manager, running, of exactly the driver's version."""
    if not facts.nvswitch:
        return Check("fabric manager", "ok", "no NVSwitch: not needed")
    if facts.machine.container.kind:
        return Check("fabric manager", "ok", "the host's, not seen from a container")
    driver = facts.driver
    trouble = fix = ""
    unit = facts.machine.units.get("nvidia-fabricmanager.service")
    install = f"install nvidia-fabricmanager {driver.version} the way that the driver came, then "
    if driver.fabric_manager and driver.version not in ("", driver.fabric_manager):
        trouble = f"{driver.fabric_manager} beside driver {driver.version}"
        fix = install + "systemctl restart nvidia-fabricmanager"
    elif driver.smi == "ok" and (unit is None or unit.active != "active"):
        trouble = "not running on a box with NVSwitch"
        there = driver.fabric_manager or (unit and unit.found)
        fix = ("" if there else install) + "systemctl enable --now nvidia-fabricmanager"
    if not trouble:
        return Check("fabric manager", "ok", driver.fabric_manager or "comes with the driver")
    message, source = f"{trouble}: CUDA will say error 802", "NVIDIA Fabric Manager User Guide"
    if decide(facts, settings.driver).fabric:
        return Check("fabric manager", "warning", message, "invoke provision", source)
    return Check("fabric manager", "blocker", message, fix, source)


def xid(facts: Facts, settings: Settings) -> Check:
    """No hardware error in the kernel's log."""
    bad = [one for one in facts.kernel_log.xids if one.code in _HARDWARE_XIDS]
    if bad:
        return Check(
            "xid",
            "warning",
            f"Xid {bad[-1].code} at {bad[-1].pci}: the card or its link is at fault",
            "reboot; if it comes again hand the box back",
            "NVIDIA XID Errors",
        )
    if not facts.kernel_log.readable:
        return Check("xid", "ok", "kernel log not readable")
    return Check("xid", "ok", f"{len(facts.kernel_log.xids)} Xid, none of hardware")


def ecc(facts: Facts, settings: Settings) -> Check:
    """No uncorrectable memory error since the driver was loaded."""
    for card in facts.gpus:
        if card.ecc_errors:
            return Check(
                "ecc",
                "warning",
                f"GPU {card.index}: {card.ecc_errors} uncorrectable errors",
                "reboot; if they come again hand the box back",
            )
    return Check("ecc", "ok", "no uncorrectable errors")


def mig(facts: Facts, settings: Settings) -> Check:
    """MIG divides a card; a model sees one slice, or none."""
    for card in facts.gpus:
        if card.mig:
            slices = ", ".join(card.mig_devices) or "no slice made"
            return Check(
                "mig",
                "warning" if card.mig_devices else "blocker",
                f"GPU {card.index} has MIG on: {slices}",
                f"nvidia-smi -i {card.index} -mig 0 and a reboot give the whole card",
                "NVIDIA MIG User Guide",
            )
    return Check("mig", "ok", "off")


def processes(facts: Facts, settings: Settings) -> Check:
    """Nobody else holds the cards' memory."""
    held = [
        f"GPU {card.index}: {process.name} ({process.pid}) holds "
        + (f"{process.memory_mib} MiB" if process.memory_mib else "memory")
        for card in facts.gpus
        for process in card.processes
        if "vllm" not in process.name.lower()
    ]
    if held:
        return Check(
            "gpu memory",
            "warning",
            "; ".join(held),
            "stop it before deploy, or lower serve.gpu_memory_utilization",
        )
    return Check("gpu memory", "ok", "no other process")


def persistence(facts: Facts, settings: Settings) -> Check:
    """Without persistence each start loads the driver's state anew."""
    if all(card.persistence is not False for card in facts.gpus):
        return Check("persistence", "ok", "on" if facts.gpus else "no driver yet")
    if decide(facts, settings.driver).persistence:
        # Enabling Ubuntu's daemon is not enough: its unit says --no-persistence-mode.
        fix = "invoke provision"
    elif facts.machine.container.kind:
        fix = "it is the host's to turn on: ask the provider"
    else:
        fix = "nvidia-smi -pm 1, after each boot"
    return Check("persistence", "warning", "off", fix)
