"""Parse the login, the init system, the clock, and whether the box is a container."""

from __future__ import annotations

import re
from collections.abc import Mapping

from onecard.facts.abilities import capability_names, forbidden
from onecard.facts.model import Container, Machine, Unit
from onecard.ssh.answer_lines import Lines, lines
from onecard.ssh.probe_batch import Answer

# What systemd detects that is no virtual machine: systemd-detect-virt(1).
_CONTAINERS = (
    *("systemd-nspawn", "lxc-libvirt", "lxc", "openvz", "docker", "podman", "rkt", "wsl"),
    *("proot", "pouch", "container-other"),
)
# Names of variables, and the provider that sets them in process 1: docs.runpod.io "Environment
# variables", docs.vast.ai "Docker Execution Environment".
_PROVIDERS = {"RUNPOD_POD_ID": "runpod", "VAST_CONTAINERLABEL": "vast", "CONTAINER_ID": "vast"}
# How a container's control group or root file system is named by what runs it.
_HINTS = {
    "kubepods": "kubernetes",
    "libpod": "podman",
    "docker": "docker",
    "lxc": "lxc",
    "containerd": "containerd",
}


def read_machine(values: Lines, answers: Mapping[str, Answer], now: float | None) -> Machine:
    """Parse the probe `system`, which includes a block of lines for each unit."""
    answer = answers.get("system")
    epoch = values.number("epoch")
    version = re.match(r"\d+", values.one("Version"))
    synchronised = values.one("synchronised") or lines(answers, "python").one("synchronised")
    # Those of a login without root's rights say nothing about root's.
    mask = values.one("capabilities") if values.number("uid") == 0 else ""
    capabilities = capability_names(mask)
    return Machine(
        uid=values.number("uid") if values.one("uid") else -1,
        user=values.one("user"),
        shell=values.one("shell"),
        root={"yes": "root"}.get(values.one("root"), values.one("root")),
        init=values.one("init"),
        systemd=values.yes("systemd"),
        systemd_version=version[0] if version else "",
        state=values.one("SystemState"),
        units=_units(answer.output if answer else ""),
        epoch=epoch,
        clock_skew=None if now is None or not epoch else round(epoch - now, 1),
        synchronised={"yes": True, "no": False}.get(synchronised),
        cloud_init=values.one("cloud_init"),
        container=_container(values, answers, capabilities or ()),
        fuse={"yes": True, "no": False}.get(values.one("fuse")),
        no_new_privs=values.one("no_new_privs") == "1",
        capabilities=capabilities,
        forbidden=forbidden(
            capabilities,
            values.all("missing"),
            proc_sys_read_only=values.one("proc_sys") == "read-only",
        ),
    )


def _units(text: str) -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for block in text.split("\n\n"):
        values = Lines(block)
        name = values.one("Id")
        if name:
            units[name] = Unit(
                name=name,
                active=values.one("ActiveState"),
                enabled=values.one("UnitFileState"),
                found=values.one("LoadState") not in ("", "not-found"),
            )
    return units


def _container(
    values: Lines, answers: Mapping[str, Answer], capabilities: tuple[str, ...]
) -> Container:
    detected = values.one("Virtualization")
    found = [detected if detected in _CONTAINERS else "", *values.all("marker")]
    providers = [_PROVIDERS[name] for name in values.all("variable") if name in _PROVIDERS]
    if providers:
        found.append("docker")
    flags = lines(answers, "memory").one("flags").split()
    vms = [values.one("vm"), "unknown" if "hypervisor" in flags else ""]
    hints = [kind for hint, kind in _HINTS.items() if hint in values.all("hint")]
    kind = next((kind for kind in (*found, *hints) if kind), "")
    return Container(
        kind=kind,
        provider=next(iter(providers), ""),
        vm=next((vm for vm in vms if vm not in ("", "none")), ""),
        kernel=not kind and "SYS_MODULE" in capabilities,
        vendor=values.one("vendor"),
        product=values.one("product"),
    )
