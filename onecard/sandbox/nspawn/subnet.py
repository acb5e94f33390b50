"""Choose a /24 that nothing on the controller uses. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from onecard.errors import SandboxError

# Private blocks of RFC 1918 and how many /24 of each are tried.
_BLOCKS = (("10.0.0.0/8", 200), ("172.16.0.0/12", 100), ("192.168.0.0/16", 100))
_FIRST_HOST = 10
_LAST_HOST = 254


def choose_subnet(
    seed: str, taken: Iterable[IPv4Network], preferred: IPv4Network | None = None
) -> IPv4Network:
    """Return a free /24: `preferred` when it is free, else the first in an order fixed by `seed`.

    taken: networks and addresses that must stay reachable. Raises SandboxError when none is free.
    """
    used = list(taken)
    for candidate in [*([preferred] if preferred else []), *_candidates(seed)]:
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    raise SandboxError("no private /24 network is free beside this computer's own routes")


def _candidates(seed: str) -> Iterator[IPv4Network]:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    for block, tries in _BLOCKS:
        network = IPv4Network(block)
        size = 1 << (24 - network.prefixlen)
        for step in range(tries):
            # 7919 is a prime that shares no factor with the powers of two that the sizes are.
            third = (number + step * 7919) % size
            yield IPv4Network((int(network.network_address) + third * 256, 24))


def parse_routes(output: str, own_interface: str) -> list[IPv4Network]:
    """Return the destinations in `ip -4 route show table all`, default and our own left out."""
    found = []
    for line in output.splitlines():
        if f" dev {own_interface} " in f"{line} ":
            continue
        match = re.match(r"(?:\w+ )?(\d+\.\d+\.\d+\.\d+(?:/\d+)?)", line)
        network = IPv4Network(match[1], strict=False) if match else None
        if network and network.prefixlen:
            found.append(network)
    return found


def parse_servers(resolv_conf: str) -> list[IPv4Network]:
    """Return the IPv4 name servers of a resolv.conf as /32 networks."""
    return [
        IPv4Network(address)
        for address in re.findall(r"(?m)^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$", resolv_conf)
    ]


def next_host(subnet: IPv4Network, used: Iterable[int]) -> int:
    """Return the lowest free host number. Raises SandboxError when the subnet is full."""
    numbers = set(used)
    for number in range(_FIRST_HOST, _LAST_HOST + 1):
        if number not in numbers:
            return number
    raise SandboxError(f"the sandbox network {subnet} is full: remove some boxes")


def address_of(subnet: IPv4Network, host: int) -> IPv4Address:
    """Return the address of host number `host`; 1 is the bridge itself."""
    return subnet.network_address + host
