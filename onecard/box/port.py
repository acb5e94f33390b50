"""Find the process that listens on the server's port."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from urllib.parse import urlsplit

from onecard.box.process import open_files
from onecard.box.unit import processes

_LISTENS = "0A"  # TCP_LISTEN in /proc/net/tcp; Linux, include/net/tcp_states.h


def taken_by(url: str) -> str:
    """Return another process on the port of `url`, such as `python3 (pid 77)`; empty if none.

    A process that cannot be inspected, which may be about to end, is ignored.
    """
    place = urlsplit(url)
    sockets = {f"socket:[{inode}]" for inode in _listening(place.port or 0)}
    ours = processes() if sockets else set()
    others = []
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        try:
            if not sockets.isdisjoint(open_files(int(process.name))):
                if int(process.name) in ours:
                    return ""
                others.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
        except OSError:
            continue
    return others[0] if others and _in_use(place.hostname or "", place.port or 0) else ""


def _listening(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a port, at any address."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, _, state, _, _, _, _, _, inode = line.split()[:10]
            if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
                found.add(inode)
    return found


def _in_use(address: str, port: int) -> bool:
    """Return whether the address, too, is in use: another address may use the same port number."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
