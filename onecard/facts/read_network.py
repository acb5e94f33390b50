"""Reading routes, name servers and listening sockets."""

from __future__ import annotations

import ipaddress
import re

from onecard.facts.lines import Lines
from onecard.facts.model import Listener, Network

_PROCESS = re.compile(r'\(\("(?P<name>[^"]*)",pid=(?P<pid>\d+)')


def read_network(told: Lines) -> Network:
    """Read the probe `network`: `ss -Hltnp`, or the kernel's own table where ss is missing."""
    listeners = [_from_ss(line) for line in told.all("ss")]
    listeners += [_from_table(entry) for entry in told.all("tcp")]
    found = {listener for listener in listeners if listener is not None}
    return Network(
        default_route=told.one("route"),
        nameservers=told.all("nameserver"),
        listeners=tuple(sorted(found, key=lambda one: (one.port, one.address))),
    )


def _from_ss(line: str) -> Listener | None:
    fields = line.split(None, 5)
    if len(fields) < 5:
        return None
    address, _, port = fields[3].rpartition(":")
    if not port.isdigit():
        return None
    process = _PROCESS.search(line)
    return Listener(
        address=address.strip("[]"),
        port=int(port),
        process=process["name"] if process else "",
        pid=int(process["pid"]) if process else None,
    )


def _from_table(entry: str) -> Listener | None:
    """Read `0100007F:1F90` of /proc/net/tcp: 32-bit words in the machine's own order."""
    address, _, port = entry.partition(":")
    try:
        raw = bytes.fromhex(address)
        number = int(port, 16)
        # Both x86-64 and aarch64 Linux are little-endian.
        words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
        return Listener(str(ipaddress.ip_address(words)), number)
    except ValueError:
        return None
