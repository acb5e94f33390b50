"""Checks of the cards and their driver. Each: facts, settings -> Check."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.driver.decide import decide
from onecard.driver.kernels import of_windows
from onecard.facts.model import Facts
from onecard.settings.settings import Settings

_REBOOT = "reboot; if it comes again hand the box back"
_RETURN = "take a pod on another machine, and report the card to the provider"
# NVIDIA, "XID Errors": errors of the card or its link, not of the program.
_HARDWARE_XIDS = {48, 63, 64, 74, 79, 94, 95, 119}


def gpu(facts: Facts, settings: Settings) -> Check:
    """Check that there is a GPU on the PCI bus (or in nvidia-smi, if a container hides the bus)."""
    names = [g.name for g in facts.gpus] or [d.name or d.device for d in facts.pci_gpus]
    on_bus = len([card for card in facts.pci_gpus if card.driver != "vfio-pci"])
    # A container sees every card of its host on the bus.
    if facts.gpus and on_bus > len(facts.gpus) and not facts.machine.container.kind:
        shown = f"{on_bus} cards on the PCI bus, nvidia-smi shows {len(facts.gpus)}"
        logged = f"; {facts.kernel_log.last}" if facts.kernel_log.last else ""
        return Check("gpu", "warning", shown + logged, _REBOOT)
    if names:
        return Check("gpu", "ok", f"{len(names)} x {names[0]}")
    if of_windows(facts):
        plan = decide(facts, settings.driver)
        return Check("gpu", "blocker", "nvidia-smi shows no GPU in WSL", plan.fix)
    return Check(
        "gpu",
        "blocker",
        "no NVIDIA GPU on the PCI bus",
        "rent a box with one, or set accelerator: cpu",
    )


def driver_plan(facts: Facts, settings: Settings) -> Check:
    """Check the driver: report what the driver role would do."""
    plan = decide(facts, settings.driver)
    if plan.action == "leave":
        return Check("driver", "ok", plan.reason)
    if plan.action == "refuse":
        return Check("driver", "blocker", plan.reason, plan.fix)
    flag = " --reboot" if plan.reboot else ""
    return Check("driver", "warning", plan.reason, f"invoke provision{flag}")


def nouveau(facts: Facts, settings: Settings) -> Check:
    """Check that nouveau does not hold the card."""
    if not facts.driver.nouveau_loaded:
        return Check("nouveau", "ok", "not loaded")
    if facts.machine.container.kind:
        return Check("nouveau", "ok", "loaded on the host, for another card")
    fix = (
        "invoke provision --reboot"
        if decide(facts, settings.driver).pending
        else "echo blacklist nouveau >/etc/modprobe.d/no-nouveau.conf; update-initramfs -u -k all; "
        "systemctl reboot"
    )
    return Check("nouveau", "warning", "loaded: it holds the card", fix)


def fabric(facts: Facts, settings: Settings) -> Check:
    """Check that a box with NVSwitch runs a Fabric Manager of exactly the driver's version."""
    if not facts.nvswitch:
        return Check("fabric manager", "ok", "no NVSwitch: not needed")
    if facts.machine.container.kind:
        return Check("fabric manager", "ok", "the host's, not visible in a container")
    driver = facts.driver
    trouble = fix = ""
    unit = facts.machine.units.get("nvidia-fabricmanager.service")
    install = f"install nvidia-fabricmanager {driver.version} the way that the driver came, then "
    if driver.fabric_manager and driver.version not in ("", driver.fabric_manager):
        trouble = f"{driver.fabric_manager} beside driver {driver.version}"
        fix = install + "systemctl restart nvidia-fabricmanager"
    elif driver.smi == "ok" and (unit is None or unit.active != "active"):
        trouble = "not running on a box with NVSwitch"
        installed = driver.fabric_manager or (unit and unit.found)
        fix = ("" if installed else install) + "systemctl enable --now nvidia-fabricmanager"
    if not trouble:
        return Check("fabric manager", "ok", driver.fabric_manager or "comes with the driver")
    message, source = (
        f"{trouble}: CUDA will fail with error 802",
        "NVIDIA Fabric Manager User Guide",
    )
    if decide(facts, settings.driver).fabric:
        return Check("fabric manager", "warning", message, "invoke provision", source)
    return Check("fabric manager", "blocker", message, fix, source)


def xid(facts: Facts, settings: Settings) -> Check:
    """Check that the kernel's log has no hardware error."""
    bad = [one for one in facts.kernel_log.xids if one.code in _HARDWARE_XIDS]
    if bad:
        return Check(
            "xid",
            "warning",
            f"Xid {bad[-1].code} at {bad[-1].pci}: the card or its link is at fault",
            _RETURN if facts.machine.container.kind else _REBOOT,
            "NVIDIA XID Errors",
        )
    if not facts.kernel_log.readable:
        return Check("xid", "ok", "kernel log not readable")
    return Check("xid", "ok", f"{len(facts.kernel_log.xids)} Xid, none of hardware")


def ecc(facts: Facts, settings: Settings) -> Check:
    """Check that there is no uncorrectable memory error since the driver was loaded."""
    for card in facts.gpus:
        if card.ecc_errors:
            return Check(
                "ecc",
                "warning",
                f"GPU {card.index}: {card.ecc_errors} uncorrectable errors",
                _RETURN if facts.machine.container.kind else _REBOOT,
            )
    return Check("ecc", "ok", "no uncorrectable errors")


def mig(facts: Facts, settings: Settings) -> Check:
    """Check that MIG is off: it divides a card, and a model gets one slice, or none."""
    for card in facts.gpus:
        if card.mig:
            slices = ", ".join(card.mig_devices) or "no slice made"
            return Check(
                "mig",
                "warning" if card.mig_devices else "blocker",
                f"GPU {card.index} has MIG on: {slices}",
                "it is the host's to turn off: take a pod with a whole card"
                if facts.machine.container.kind
                else f"nvidia-smi -i {card.index} -mig 0 and a reboot give the whole card",
                "NVIDIA MIG User Guide",
            )
    return Check("mig", "ok", "off")


def processes(facts: Facts, settings: Settings) -> Check:
    """Check that no other process holds the cards' memory."""
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
    """Check that persistence is on: without it each start loads the driver's state again."""
    if all(card.persistence is not False for card in facts.gpus):
        return Check("persistence", "ok", "on" if facts.gpus else "no driver yet")
    if decide(facts, settings.driver).persistence:
        # Enabling Ubuntu's daemon is not enough: its unit sets --no-persistence-mode.
        fix = "invoke provision"
    elif facts.machine.container.kind:
        fix = "it is the host's to turn on: ask the provider"
    else:
        fix = "nvidia-smi -pm 1, after each boot"
    return Check("persistence", "warning", "off", fix)
