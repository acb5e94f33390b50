"""Checks, one row for each way that a box can be wrong."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from facts_support import A100, CARD, box, working
from rich.console import Console

from onecard.doctor import (
    blockers,
    checkup,
    preflight,
    render_checks,
    render_facts,
    to_json,
)
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
    ({"machine": {"container": Container("docker")}}, "machine", "ok"),
    ({"machine": {"clock_skew": -301.0}}, "clock", "blocker"),
    ({"machine": {"synchronised": False}}, "clock", "warning"),
    ({"machine": {"synchronised": False, "container": Container("lxc")}}, "clock", "ok"),
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


def screen(render: Callable[[Console], None], width: int) -> list[str]:
    out = io.StringIO()
    render(Console(file=out, width=width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_one_screen(width: int) -> None:
    facts = box(
        driver=GOOD,
        gpus=tuple(dataclasses.replace(CARD, index=n, persistence=False) for n in range(8)),
    )
    checks = checkup(facts, Settings())
    for render in (partial(render_facts, facts), partial(render_checks, facts, checks)):
        lines = screen(render, width)
        assert len(lines) <= 50
        assert max(map(len, lines)) <= width
    told = " ".join(" ".join(screen(partial(render_checks, facts, checks), width)).split())
    assert "persistence off fix: invoke provision" in told
    assert told.endswith("checks ok, 2 warnings")
    assert to_json(facts, checks)["checks"][0]["status"] == "ok"


def test_the_worst_comes_first() -> None:
    checks = checkup(box(machine={"systemd": False, "init": "tini"}), Settings())
    words = [line.split()[0] for line in screen(partial(render_checks, box(), checks), 120)]
    assert words.index("blocker") < words.index("warning") < words.index("ok")


def test_the_facts_name_what_is_asked_about() -> None:
    slow = Unit("nvidia-fabricmanager.service")
    facts = box(
        kernel={"secure_boot": True, "newer": "6.8.0-99-generic", "headers": True},
        pci=(A100, SWITCH),
        driver=dataclasses.replace(GOOD, cuda="13.0", open_module=True, fabric_manager="580.95.05"),
        gpus=(dataclasses.replace(CARD, ecc=True, processes=(GpuProcess(7, "python3", 900),)),),
        packages={"locks": (LOCK,), "unattended": True, "holds": ("a", "b", "c", "d")},
        network={"listeners": (Listener("::", 22, "sshd", 1), Listener("0.0.0.0", 22, "sshd", 1))},
        memory={"nofile_soft": 1024, "nofile_hard": 4096, "memlock_hard": 64, "shm_gib": 0.06},
        machine={"units": {slow.name: slow}},
        kernel_log=KernelLog((Xid(79, "0000:3b:00", ""), Xid(31, "0000:3b:00", ""))),
    )
    told = " ".join(" ".join(screen(partial(render_facts, facts), 120)).split())
    for part in (
        "kernel 6.8.0-90-generic x86_64, headers, Secure Boot on, 6.8.0-99-generic waits",
        "kvm virtual machine",
        "/dev/shm 0.1 GiB",
        "1024 open files, at most 4096; locked memory 64 KiB",
        "disk 150 of 200 GiB free, / (for /opt, /var/lib)",
        "listening: 22 sshd",
        "apt is held by unattended-upgr (812), unattended-upgrades on, held: a, b, c and 1 more",
        "3.12.3, with Python.h, venv",
        "580.95.05 (open module), CUDA 13.0, from ubuntu, NVSwitch, Fabric Manager 580.95.05",
        "persistence on, MIG off, ECC on",
        "python3 (7), 900 MiB",
        "Xid 2 in the kernel log, the last: 79, 31",
    ):
        assert part in told, part
    bare = " ".join(" ".join(screen(partial(render_facts, box()), 120)).split())
    assert "GPU A100 SXM4 80GB at 0000:00:06.0, no driver" in bare
