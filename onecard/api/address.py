"""IP addresses: of listening servers, and in URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# A wildcard address -> the loopback address at which the box itself reaches it.
_EVERY: Final[Mapping[str, str]] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # not bound


def is_every(address: str) -> bool:
    """Return whether it is a wildcard: a server on it listens on every address of the box."""
    return address in _EVERY


def reached_at(address: str) -> str:
    """Return the address at which the box reaches a server that listens on `address`."""
    return _EVERY.get(address, address)


def in_url(host: str) -> str:
    """Return a name or an address for use in a URL (RFC 3986, 3.2.2: IPv6 in brackets)."""
    return f"[{host}]" if ":" in host else host
