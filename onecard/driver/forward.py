"""NVIDIA's forward compatibility package: CUDA's newer user-space driver on an older kernel module.

NVIDIA, "CUDA Compatibility", Forward Compatibility: for data-centre cards, and for some RTX cards
that it does not list by name, which are left out here. The branches that CUDA 13.0 supports are
those in NVIDIA_REQUIRE_CUDA of NVIDIA's image nvidia/cuda:13.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from onecard.driver import kernels
from onecard.facts.model import Facts
from onecard.facts.versions import version_key
from onecard.settings.settings import DriverSettings

_BRANCHES = {"13.0": (535, 550, 565, 570, 575)}
_CUDA = {"cu130": "13.0"}
_FOR_DESKTOPS = ("GeForce", "TITAN", "RTX", "Quadro")


@dataclass(frozen=True)
class ForwardCompatibility:
    """The package for one CUDA version, such as `13.0`."""

    cuda: str

    @property
    def package(self) -> str:
        """Return the Debian package, in NVIDIA's repository."""
        return f"cuda-compat-{self.cuda.replace('.', '-')}"

    @property
    def folder(self) -> str:
        """Return the folder of its libraries, for LD_LIBRARY_PATH."""
        return f"/usr/local/cuda-{self.cuda}/compat"


def fixed(facts: Facts, setting: DriverSettings) -> bool:
    """Return whether the driver stays as it is: the host's, or by the setting."""
    hosted = bool(facts.machine.container.kind) or kernels.of_windows(facts)
    return hosted or setting.source == "none"


def forward_compatibility(
    facts: Facts, setting: DriverSettings, backend: str
) -> ForwardCompatibility | None:
    """Return the package that runs a torch backend (`cu130`) on this driver, which stays.

    None where the driver runs it without one, or where NVIDIA supports none.
    """
    cuda = _CUDA.get(backend, "")
    branch = next(iter(version_key(facts.driver.version)), 0)
    desktop = [card for card in facts.gpus if any(word in card.name for word in _FOR_DESKTOPS)]
    if not fixed(facts, setting) or not facts.gpus or desktop:
        return None
    return ForwardCompatibility(cuda) if branch in _BRANCHES.get(cuda, ()) else None
