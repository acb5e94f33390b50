"""The algorithms that Paramiko offers: those that `ssh` would, in its order.

The lists are ssh's own (`ssh -G`), with what the user's configuration makes of them. The first of
the defaults that Paramiko has are cheap: another order saves less than a millisecond
(docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import paramiko

from onecard.ssh.openssh.route import Route

# ssh's option -> the name of the list in paramiko.SecurityOptions, and what Paramiko has.
_LISTS: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "ciphers": ("ciphers", paramiko.Transport._cipher_info),  # type: ignore[attr-defined]
    "kexalgorithms": ("kex", paramiko.Transport._kex_info),  # type: ignore[attr-defined]
    "macs": ("digests", paramiko.Transport._mac_info),  # type: ignore[attr-defined]
}
_OTHER_NAMES: Final = {"curve25519-sha256": "curve25519-sha256@libssh.org"}  # RFC 8731


def offered(route: Route) -> dict[str, tuple[str, ...]]:
    """Return what of each list Paramiko has, by the list's name in paramiko.SecurityOptions.

    A list that is not known, as without an ssh program, is left out: then it is Paramiko's own.
    """
    return {name: found for name, found in _found(route).values() if found is not None}


def beyond(route: Route) -> str:
    """Return the option of ssh's that names no algorithm of Paramiko's; "" if there is none."""
    return next((option for option, (_, found) in _found(route).items() if found == ()), "")


def _found(route: Route) -> dict[str, tuple[str, tuple[str, ...] | None]]:
    return {
        option: (name, _known(route.one(option), has)) for option, (name, has) in _LISTS.items()
    }


def _known(listed: str, has: Mapping[str, object]) -> tuple[str, ...] | None:
    if not listed or listed[0] in "+-^":  # changes to ssh's defaults, which only ssh knows
        return None
    names = [_OTHER_NAMES.get(name, name) for name in listed.split(",")]
    return tuple(dict.fromkeys(name for name in names if name in has))
