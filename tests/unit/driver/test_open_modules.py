"""Which cards the open modules drive, against the PCI ID database and NVIDIA's own list."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from onecard.driver import open_modules
from onecard.facts import Package
from onecard.facts.cards import CARDS
from tests.support.facts_support import box

HERE = Path(__file__).parents[1] / "fixtures" / "facts"
ARCHITECTURES = {
    name: numbers.split()
    for name, numbers in yaml.safe_load((HERE / "pci-architectures.yml").read_text()).items()
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_known_card(name: str) -> None:
    too_old = name in ("maxwell", "pascal", "volta")
    new = name in ("grace-hopper", "blackwell")
    for device in ARCHITECTURES[name]:
        assert open_modules.supported(device) is not too_old, device
        assert open_modules.required(device) is new, device


def test_the_list_is_no_short_one() -> None:
    known = {device for devices in ARCHITECTURES.values() for device in devices}
    assert set(CARDS) <= known
    assert all(len(devices) > 1 for devices in ARCHITECTURES.values())
    assert len(known) > 400


@pytest.mark.parametrize("device", ["", "gpu0"])
def test_a_number_that_is_none_forbids_nothing(device: str) -> None:
    assert open_modules.supported(device)
    assert not open_modules.required(device)


@pytest.mark.parametrize(
    ("name", "closed"),
    [
        ("nvidia-dkms-580", True),
        ("nvidia-dkms-580-server", True),
        ("nvidia-dkms", True),
        ("nvidia-kernel-dkms", True),
        ("nvidia-kernel-source-580-server", True),
        ("linux-modules-nvidia-580-generic", True),
        ("linux-modules-nvidia-580-server-generic-hwe-24.04", True),
        ("linux-modules-nvidia-580-6.8.0-60-generic", True),
        ("linux-objects-nvidia-580-server-6.8.0-60-generic", True),
        ("nvidia-dkms-580-open", False),
        ("nvidia-dkms-580-server-open", False),
        ("nvidia-dkms-open", False),
        ("nvidia-kernel-open-dkms", False),
        ("nvidia-kernel-source-580-server-open", False),
        ("linux-modules-nvidia-580-open-generic", False),
        ("linux-modules-nvidia-580-server-open-generic", False),
        ("linux-signatures-nvidia-6.8.0-60-generic", False),
        ("nvidia-utils-580-server", False),
    ],
)
def test_packages_of_closed_modules(name: str, closed: bool) -> None:
    facts = box(packages={"nvidia": (Package(name, "580.105.08-0ubuntu1", "ubuntu"),)})
    assert open_modules.closed_packages(facts) == ((name,) if closed else ())
