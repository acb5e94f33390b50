"""Parse the answers to the probes into facts. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from onecard.facts.model import Facts
from onecard.facts.read_cards import read_driver, read_gpus, read_pci
from onecard.facts.read_log import read_kernel_log
from onecard.facts.read_machine import read_machine
from onecard.facts.read_network import read_network
from onecard.facts.read_packages import read_packages
from onecard.facts.read_system import (
    read_disks,
    read_kernel,
    read_memory,
    read_os,
    read_python,
    read_volumes,
)
from onecard.ssh.answer_lines import lines
from onecard.ssh.probe_batch import Answer


def read_facts(answers: Mapping[str, Answer], now: float | None = None) -> Facts:
    """Parse the answers to `PROBES`.

    answers: name of the probe -> answer, as `probe_batch.parse` returns them; others are ignored.
    now: this computer's clock when the probes ran, seconds since 1970; None to leave the box's
        clock uncompared.
    """
    packages = read_packages(lines(answers, "packages"))
    pci_lines = lines(answers, "pci")
    pci = read_pci(pci_lines)
    nvidia = lines(answers, "nvidia")
    gpus = read_gpus(nvidia, pci)
    machine = read_machine(lines(answers, "system"), answers, now)
    return Facts(
        systemd=machine.systemd,
        volumes=read_volumes(lines(answers, "disks")),
        root=lines(answers, "disks").one("root"),
        os=read_os(lines(answers, "os")),
        kernel=read_kernel(lines(answers, "kernel")),
        machine=machine,
        pci=pci,
        pci_readable=pci_lines.yes("bus"),
        gpus=gpus,
        driver=read_driver(nvidia, gpus, packages.nvidia),
        disks=read_disks(lines(answers, "disks")),
        memory=read_memory(lines(answers, "memory")),
        packages=packages,
        network=read_network(lines(answers, "network")),
        python=read_python(lines(answers, "python")),
        kernel_log=read_kernel_log(lines(answers, "kernel_log")),
    )
