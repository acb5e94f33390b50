"""IP addresses as servers listen on them and as clients write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# An address that stands for every one of a box -> the one at which the box itself reaches it.
_EVERY: Final[Mapping[str, str]] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # not bound


def is_every(address: str) -> bool:
    """Tell whether who listens on it listens on every address of the box."""
    return address in _EVERY


def reached_at(address: str) -> str:
    """Return the address at which the box reaches what listens on `address`."""
    return _EVERY.get(address, address)


def in_url(host: str) -> str:
    """Return a name or an address as it stands in a URL (RFC 3986, 3.2.2: IPv6 in brackets)."""
    return f"[{host}]" if ":" in host else host
