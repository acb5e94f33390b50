"""The name servers of a box: the controller's, as far as a box can reach them."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from onecard.errors import SandboxError

# The second is systemd-resolved's list of the true servers behind its local stub.
_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def read_resolv_conf() -> str:
    """Return the text of a box's /etc/resolv.conf. Raises SandboxError."""
    return resolv_conf(*(path.read_text() for path in _FILES if path.is_file()))


def resolv_conf(*candidates: str) -> str:
    """Return the first resolv.conf text whose servers a box can reach, loopback ones left out.

    Raises SandboxError when every server is on the controller's loopback.
    """
    for text in candidates:
        lines = [line for line in text.splitlines() if line and line[0] not in "#;"]
        usable = [line for line in lines if not _loopback_server(line)]
        if any(line.startswith("nameserver") for line in usable):
            return "\n".join(usable) + "\n"
    raise SandboxError(
        "/etc/resolv.conf names no server outside the loopback, so a box could not resolve names: "
        "add a nameserver line with a reachable address"
    )


def _loopback_server(line: str) -> bool:
    words = line.split()
    if words[:1] != ["nameserver"] or len(words) == 1:
        return False
    return ipaddress.ip_address(words[1].partition("%")[0]).is_loopback
