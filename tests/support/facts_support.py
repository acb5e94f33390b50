"""Facts for tests: a plain, healthy Ubuntu box with an A100 on the bus, and changes to it."""

from __future__ import annotations

import dataclasses
from typing import Any

from onecard.facts import (
    Container,
    Disk,
    Driver,
    Facts,
    GpuFacts,
    Kernel,
    Machine,
    Memory,
    Network,
    OperatingSystem,
    PciDevice,
    Python,
)

A100 = PciDevice("0000:00:06.0", "gpu", "20b2", "A100 SXM4 80GB")
CARD = GpuFacts(0, "NVIDIA A100-SXM4-80GB", "GPU-1", 81920, 0, "8.0", "0000:00:06.0", True, False)


def box(**groups: Any) -> Facts:
    """Return the box; each keyword replaces a group, or (a dict) some of a group's fields."""
    facts = Facts(
        os=OperatingSystem("ubuntu", "24.04", "noble", "Ubuntu 24.04.3 LTS"),
        kernel=Kernel(release="6.8.0-90-generic", arch="x86_64", secure_boot=False),
        machine=Machine(
            uid=0, user="root", root="root", init="systemd", systemd=True, clock_skew=0.2,
            container=Container(vm="kvm", kernel=True),
        ),
        pci=(A100,),
        disks=(Disk("/opt", "/", 200.0, 150.0), Disk("/var/lib", "/", 200.0, 150.0)),
        memory=Memory(total_gib=64.0, available_gib=60.0, cpus=16),
        network=Network("eth0", ("192.0.2.53",)),
        python=Python(version="3.12.3", header="/usr/include/python3.12/Python.h", ensurepip=True),
    )  # fmt: skip
    for name, value in groups.items():
        new = value
        if isinstance(value, dict):
            new = dataclasses.replace(getattr(facts, name), **value)
        facts = dataclasses.replace(facts, **{name: new})
    return facts


def working(version: str, route: str = "ubuntu") -> Driver:
    """Return a driver that works."""
    return Driver(version=version, loaded=version, on_disk=version, smi="ok", route=route)
