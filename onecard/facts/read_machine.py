"""Reading who we are on the box, its init system, its clock, and whether it is a container."""

from __future__ import annotations

from collections.abc import Mapping

from onecard.facts.lines import Lines
from onecard.facts.model import Container, Machine, Unit
from onecard.script import Answer

_CAP_SYS_MODULE = 1 << 16


def read_machine(told: Lines, answers: Mapping[str, Answer], now: float | None) -> Machine:
    """Read the probe `system`; `systemctl show` printed a block of lines for each unit in it."""
    answer = answers.get("system")
    epoch = told.number("epoch")
    version = told.one("systemd_version").split()
    synchronised = told.one("synchronised") or told.one("NTPSynchronized")
    return Machine(
        uid=told.number("uid") if told.one("uid") else -1,
        user=told.one("user"),
        root={"yes": "root"}.get(told.one("root"), told.one("root")),
        init=told.one("init"),
        systemd=told.yes("systemd"),
        systemd_version=version[1] if len(version) > 1 else "",
        state=told.one("state"),
        units=_units(answer.output if answer else ""),
        epoch=epoch,
        clock_skew=None if now is None or not epoch else round(epoch - now, 1),
        synchronised={"yes": True, "no": False}.get(synchronised),
        cloud_init=told.one("cloud_init"),
        container=_container(told),
    )


def _units(text: str) -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for block in text.split("\n\n"):
        told = Lines(block)
        name = told.one("Id")
        if name:
            units[name] = Unit(
                name=name,
                active=told.one("ActiveState"),
                enabled=told.one("UnitFileState"),
                found=told.one("LoadState") not in ("", "not-found"),
            )
    return units


def _container(told: Lines) -> Container:
    kinds = [told.one("container"), *told.all("marker")]
    vms = [told.one("vm"), "unknown" if told.yes("hypervisor") else ""]
    capabilities = int(told.one("capabilities") or "0", 16)
    kind = next((kind for kind in kinds if kind not in ("", "none")), "")
    return Container(
        kind=kind,
        vm=next((vm for vm in vms if vm not in ("", "none")), ""),
        kernel=not kind and bool(capabilities & _CAP_SYS_MODULE),
        vendor=told.one("vendor"),
        product=told.one("product"),
    )
