"""supervisord's XML-RPC interface over its socket."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client  # nosec B411  # with a program that runs as root, over a socket of root's
from pathlib import Path
from typing import Any

from onecard.box import paths

SOCKET = Path(paths.SUPERVISOR_RUN) / "supervisord.sock"
_LONGEST_S = 600.0  # a stop waits for the server: TimeoutStopSec=

UP = ("STARTING", "RUNNING", "STOPPING")  # states with a process

# Faults that mean that there is nothing to do (supervisor/xmlrpc.py).
BAD_NAME = 10
NOT_RUNNING = 70
ALREADY_STARTED = 60
ALREADY_ADDED = 90


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_LONGEST_S)
        self.sock.connect(str(SOCKET))


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection("localhost")


def call(method: str, *arguments: Any, unless: tuple[int, ...] = ()) -> Any:
    """Call a method of supervisord; return None for a fault in `unless`.

    Raises OSError when it does not run, xmlrpc.client.Fault for another fault.
    """
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport())
    try:
        return getattr(proxy.supervisor, method)(*arguments)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode in unless:
            return None
        raise


def runs() -> bool:
    """Return whether supervisord answers."""
    try:
        return bool(call("getState")["statename"] == "RUNNING")
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return False


def process(name: str) -> dict[str, Any]:
    """Return what supervisord knows of a unit's process; empty where it does not know the unit."""
    try:
        return call("getProcessInfo", name, unless=(BAD_NAME,)) or {}
    except (OSError, http.client.HTTPException):
        return {}
