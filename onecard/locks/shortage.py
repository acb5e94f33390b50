"""What to say, and do, where a host's wheelhouse lacks a package."""

from __future__ import annotations

from onecard.inventory.host import Host
from onecard.project import own_path


def shortage(host: Host, missing: str, *, newest: bool = False) -> str:
    """Return the message for a wheelhouse without `missing`; newest: for an upgrade."""
    return f"the wheelhouse {_folder(host)} has no wheel of {missing}; {_fill(host, newest)}"


def unfit(host: Host, cause: str, *, newest: bool = False) -> str:
    """Return the message for a wheelhouse whose wheels do not fit together."""
    return f"no set of the wheels in {_folder(host)} fits: {cause}; {_fill(host, newest)}"


def _folder(host: Host) -> str:
    return str(own_path(host.settings.wheelhouse))


def _fill(host: Host, newest: bool) -> str:
    last = " --newest" if newest else ""
    return f"fill it: invoke wheelhouse --out {host.settings.wheelhouse} --host {host.name}{last}"
