"""The boxes behind one gateway, and the host that carries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onecard.errors import UsageError
from onecard.inventory.host import Host

if TYPE_CHECKING:
    from onecard.inventory.load import Inventory
    from onecard.settings.settings import GatewaySettings


@dataclass(frozen=True)
class GatewayGroup:
    """host: carries the gateway. boxes: all hosts whose setting gateway.host names it."""

    host: Host
    boxes: tuple[Host, ...]

    @property
    def settings(self) -> GatewaySettings:
        """Return the settings of the gateway, which all of its boxes have alike."""
        return self.boxes[0].settings.gateway


def find_group(inventory: Inventory, chosen: Sequence[Host]) -> GatewayGroup | None:
    """Return the group that the chosen hosts belong to; None where they have no gateway.

    Raises UsageError for hosts of several gateways, an unknown one, and different settings.
    """
    hosts = {**inventory.hosts, **{host.name: host for host in chosen}}  # with `--set`
    carriers = {host.settings.gateway.host for host in hosts.values()}
    named = {
        host.settings.gateway.host or (host.name if host.name in carriers else "")
        for host in chosen
    }
    if named == {""}:
        return None
    if len(named) > 1:
        names = ", ".join(sorted(name or "none" for name in named))
        raise UsageError(
            f"gateway.host: the chosen hosts belong to several gateways ({names}); choose a group "
            "of one"
        )
    (name,) = named
    if name not in hosts:
        raise UsageError(f"gateway.host: {name} is not a host of the inventory; name one")
    boxes = tuple(each for each in hosts.values() if each.settings.gateway.host == name)
    for box in boxes[1:]:
        if box.settings.gateway != boxes[0].settings.gateway:
            raise UsageError(
                f"gateway: {boxes[0].name} and {box.name} have different settings of one gateway; "
                "set them once, for their group (inventory/group_vars/GROUP.yml)"
            )
    return GatewayGroup(hosts[name], boxes)


def required_group(inventory: Inventory, chosen: Sequence[Host]) -> GatewayGroup:
    """Return the group of the chosen hosts. Raises UsageError where they have no gateway."""
    group = find_group(inventory, chosen)
    if group is None:
        names = ", ".join(host.name for host in chosen)
        raise UsageError(
            f"{names}: no gateway; set gateway.host to the host that carries it, for the group of "
            "the boxes (inventory/group_vars/GROUP.yml)"
        )
    return group
