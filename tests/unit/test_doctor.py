"""Checks, one row for each way that a box can be wrong."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest
from facts_support import A100, CARD, box, working
from rich.console import Console

from onecard.doctor import blockers, checkup, preflight, render, to_json
from onecard.facts import (
    Container,
    Disk,
    Driver,
    Facts,
    GpuProcess,
    KernelLog,
    Listener,
    Lock,
    PciDevice,
    Unit,
    Xid,
)
from onecard.settings import Settings

SWITCH = PciDevice("0000:05:00.0", "nvswitch", "1af1")
GOOD = working("580.95.05")
LOCK = Lock("/var/lib/dpkg/lock-frontend", 812, "unattended-upgr")
FULL = (Disk("/opt", "/", 20.0, 3.0), Disk("/var/lib", "/", 20.0, 3.0))
CLOSED = (Disk("/opt", "/opt", 200.0, 150.0, read_only=True),)
UNIT = Unit("nvidia-fabricmanager.service", "inactive", "disabled", True)

PREFLIGHT: list[tuple[dict[str, Any], str, str]] = [
    ({"os": {"id": "ubuntu", "version": "20.04"}}, "system", "blocker"),
    ({"os": {"id": "alpine", "version": "3.20"}}, "system", "blocker"),
    ({"os": {"id": "debian", "version": "11"}}, "system", "ok"),
    ({"kernel": {"arch": "aarch64"}}, "architecture", "warning"),
    ({"kernel": {"arch": "riscv64"}}, "architecture", "blocker"),
    ({"machine": {"root": ""}}, "root", "blocker"),
    ({"machine": {"root": "sudo"}}, "root", "ok"),
    ({"machine": {"systemd": False}}, "systemd", "blocker"),
    ({"machine": {"container": Container("docker")}}, "container", "ok"),
    ({"machine": {"clock_skew": -301.0}}, "clock", "blocker"),
    ({"machine": {"synchronised": False}}, "clock", "warning"),
    ({"disks": FULL}, "disk", "blocker"),
    ({"disks": CLOSED}, "writable", "blocker"),
    ({"memory": {"total_gib": 8.0}}, "memory", "blocker"),
    ({"memory": {"limit_gib": 4.0}}, "memory", "blocker"),
    ({"packages": {"journal": True}}, "dpkg", "blocker"),
    ({"packages": {"journal": True, "locks": (LOCK,)}}, "dpkg", "ok"),
    ({"packages": {"locks": (LOCK,)}}, "apt lock", "warning"),
    ({"network": {"default_route": ""}}, "network", "warning"),
    ({"network": {"listeners": (Listener("0.0.0.0", 8000, "nginx", 1),)}}, "port", "warning"),
    ({"network": {"listeners": (Listener("0.0.0.0", 8000, "vllm", 1),)}}, "port", "ok"),
    ({"pci": ()}, "gpu", "blocker"),
    ({"driver": Driver(route="mixed", routes=("nvidia", "ubuntu"))}, "driver", "blocker"),
    ({}, "driver", "warning"),
    ({"driver": GOOD, "gpus": (CARD,)}, "driver", "ok"),
    ({"driver": Driver(nouveau_loaded=True)}, "nouveau", "warning"),
]

CHECKUP: list[tuple[dict[str, Any], str, str]] = [
    ({"pci": (A100, SWITCH), "driver": GOOD, "gpus": (CARD,)}, "fabric manager", "blocker"),
    ({"pci": (A100, SWITCH), "driver": dataclasses.replace(GOOD, fabric_manager="580.82.07")}, "fabric manager", "blocker"),
    ({"pci": (A100, SWITCH), "driver": dataclasses.replace(GOOD, fabric_manager="580.95.05"), "machine": {"units": {UNIT.name: dataclasses.replace(UNIT, active="active")}}}, "fabric manager", "ok"),
    ({"machine": {"units": {UNIT.name: UNIT}}}, "fabric manager", "ok"),
    ({"kernel_log": KernelLog((Xid(79, "0000:3b:00", ""),))}, "xid", "warning"),
    ({"kernel_log": KernelLog((Xid(31, "0000:3b:00", ""),))}, "xid", "ok"),
    ({"gpus": (dataclasses.replace(CARD, ecc_errors=2),)}, "ecc", "warning"),
    ({"gpus": (dataclasses.replace(CARD, mig=True),)}, "mig", "blocker"),
    ({"gpus": (dataclasses.replace(CARD, mig=True, mig_devices=("1g.10gb MIG-a",)),)}, "mig", "warning"),
    ({"gpus": (dataclasses.replace(CARD, processes=(GpuProcess(7, "python3", 900),)),)}, "gpu memory", "warning"),
    ({"gpus": (dataclasses.replace(CARD, persistence=False),)}, "persistence", "warning"),
    ({"kernel": {"newer": "6.8.0-99-generic"}}, "reboot", "warning"),
    ({}, "headers", "warning"),
    ({"python": {"header": ""}}, "python", "warning"),
    ({"machine": {"cloud_init": "running"}}, "cloud-init", "warning"),
]  # fmt: skip


def outcome(checks: tuple[Any, ...], name: str) -> Any:
    return next(check for check in checks if check.name == name)


@pytest.mark.parametrize(("change", "name", "status"), PREFLIGHT)
def test_preflight(change: dict[str, Any], name: str, status: str) -> None:
    check = outcome(preflight(box(**change), Settings()), name)
    assert check.status == status, check
    assert bool(check.fix) == (status != "ok")
    assert "\n" not in check.message + check.fix


@pytest.mark.parametrize(("change", "name", "status"), CHECKUP)
def test_checkup(change: dict[str, Any], name: str, status: str) -> None:
    check = outcome(checkup(box(**change), Settings()), name)
    assert check.status == status, check
    assert bool(check.fix) == (status != "ok")


def test_cpu_needs_no_card() -> None:
    settings = Settings(accelerator="cpu")
    facts = box(pci=(), memory={"total_gib": 8.0})
    assert blockers(preflight(facts, settings)) == ()
    assert not {"gpu", "driver"} & {check.name for check in checkup(facts, settings)}


def test_empty_facts_do_not_crash() -> None:
    assert blockers(checkup(Facts(), Settings()))


def test_one_screen() -> None:
    facts = box(
        driver=GOOD,
        gpus=tuple(dataclasses.replace(CARD, index=n, persistence=False) for n in range(8)),
    )
    checks = checkup(facts, Settings())
    out = io.StringIO()
    render(facts, checks, Console(file=out, width=100))
    lines = out.getvalue().splitlines()
    assert len(lines) <= 50
    assert max(len(line) for line in lines) <= 100
    assert "driver 580.95.05" in out.getvalue()
    assert "systemctl enable --now nvidia-persistenced" in out.getvalue()
    assert to_json(facts, checks)["checks"][0]["status"] == "ok"
