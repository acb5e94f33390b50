"""Parse routes, name servers and listening sockets."""

from __future__ import annotations

import ipaddress
import re

from onecard.facts.model import Listener, Network
from onecard.ssh.answer_lines import Lines, whole

_HIGHEST_PORT = 65535
_PROCESS = re.compile(r'\(\("(?P<name>[^"]*)",pid=(?P<pid>\d+)')


def read_network(values: Lines) -> Network:
    """Parse the probe `network`: `ss -Hltnp`, or the kernel's own table if ss is missing."""
    listeners = [_from_ss(line) for line in values.all("ss")]
    listeners += [_from_table(entry) for entry in values.all("tcp")]
    found = {listener for listener in listeners if listener is not None}
    return Network(
        default_route=values.one("route"),
        nameservers=values.all("nameserver"),
        listeners=tuple(sorted(found, key=lambda one: (one.port, one.address))),
        mapped=dict(filter(None, map(_mapped, values.all("mapped")))),
        addresses=dict(filter(None, map(_address, values.all("address")))),
    )


def _address(entry: str) -> tuple[str, str] | None:
    """Parse `eth0 10.0.0.1/24`, None for any other text. A veth pair is shown as `eth0@if7`."""
    interface, _, place = entry.partition(" ")
    try:
        address = str(ipaddress.ip_interface(place.strip()).ip)
    except ValueError:
        return None
    return address, interface.partition("@")[0]


def _mapped(entry: str) -> tuple[int, int] | None:
    """Parse `443=41443`, None for any other text.

    Above 65535 is a request for a port that is the same inside and outside.
    docs.runpod.io "Expose ports": symmetrical ports; docs.vast.ai "Networking & Ports".
    """
    inner, outer = (whole(text) for text in entry.partition("=")[::2])
    if inner is None or outer is None:
        return None
    return outer if inner > _HIGHEST_PORT else inner, outer


def _from_ss(line: str) -> Listener | None:
    fields = line.split(None, 5)
    if len(fields) < 5:
        return None
    address, _, port = fields[3].rpartition(":")
    number = whole(port)
    if number is None:
        return None
    process = _PROCESS.search(line)
    return Listener(
        address=address.strip("[]"),
        port=number,
        process=process["name"] if process else "",
        pid=whole(process["pid"]) if process else None,
    )


def _from_table(entry: str) -> Listener | None:
    """Parse `0100007F:1F90 USER` of /proc/net/tcp: 32-bit words in the machine's own order."""
    place, _, user = entry.partition(" ")
    address, _, port = place.partition(":")
    try:
        raw = bytes.fromhex(address)
        number = int(port[:4], 16)
        # Both x86-64 and aarch64 Linux are little-endian.
        words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
        return Listener(str(ipaddress.ip_address(words)), number, user=user)
    except ValueError:
        return None
