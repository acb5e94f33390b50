"""Which cards NVIDIA's open kernel modules drive, and which cards only they drive. Pure.

NVIDIA, "Driver Installation Guide", Kernel Modules: the open modules support Turing and later;
Grace Hopper and Blackwell need them. NVIDIA's supported-gpus.json has the same for each card:
`kernelopen`, and `gsp_proprietary_supported` where the closed modules work too; what it does not
list counts as one that needs the open ones (NVIDIA's nvidia-driver-assistant). PCI device numbers
follow the architectures, so a number tells the same for tomorrow's cards.
"""

from __future__ import annotations

import re

from onecard.facts.model import Facts

# The first number of Turing and of Blackwell; no card of an earlier architecture has a later one.
_TURING = 0x1E00
_BLACKWELL = 0x2900
_GRACE_HOPPER = range(0x2340, 0x2350)  # GH200; the other Hopper cards have both kinds
# What the closed module prints for a card that it does not drive.
REQUIRED = "requires use of the NVIDIA open kernel modules"
_CLOSED_PACKAGE = re.compile(
    r"nvidia-(?:dkms|kernel-source)(?:-\d+)?(?:-server)?|nvidia-kernel-dkms"
    r"|linux-(?:modules|objects)-nvidia-\d+-(?:server-)?(?!open-|server-).+"
)


def supported(device: str) -> bool:
    """Return whether the open modules drive a card. device: its PCI number, `2b85`."""
    number = _number(device)
    return number is None or number >= _TURING


def required(device: str) -> bool:
    """Return whether only the open modules drive a card. device: its PCI number, `2b85`."""
    number = _number(device)
    return number is not None and (number >= _BLACKWELL or number in _GRACE_HOPPER)


def undriven(facts: Facts) -> str:
    """Return the name of a card that the closed modules of this box do not drive; '' for none."""
    driver, cards = facts.driver, facts.pci_gpus
    if not _closed(facts) or (driver.smi == "ok" and len(facts.gpus) >= max(len(cards), 1)):
        return ""
    card = next((card for card in cards if required(card.device)), None)
    if card is None and not _logged(facts):
        return ""
    # The kernel names the card by its number only; among several it may be any.
    card = card or (cards[0] if cards else None)
    return (card.name or f"the card {card.device}") if card else "the card"


def closed_packages(facts: Facts) -> tuple[str, ...]:
    """Return the installed packages of closed modules."""
    names = (package.name for package in facts.packages.nvidia)
    return tuple(name for name in names if _CLOSED_PACKAGE.fullmatch(name))


def _closed(facts: Facts) -> bool:
    """Return whether the module that is loaded (if none is, the one on disk) is the closed one."""
    driver = facts.driver
    if driver.loaded:
        return not driver.open_module
    if not driver.on_disk or driver.open_on_disk is not None:
        return driver.open_on_disk is False
    return bool(closed_packages(facts)) or _logged(facts)


def _logged(facts: Facts) -> bool:
    return any(REQUIRED in line for line in facts.kernel_log.complaints)


def _number(device: str) -> int | None:
    try:
        return int(device, 16)
    except ValueError:
        return None
