"""TCP connections to where the last command for the same --host connected to.

They are made while the inventory is still read, which says later whether they are the right ones:
nothing is sent before. A wrong or failed one is closed, and the login makes its own.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from onecard.private_files import private_file

Endpoint = tuple[str, int]
"""Address and port, as the login resolved them."""

_TIMEOUT_S = 1.0  # a box that is down is reported by the login, which waits longer
_MOST_HOSTS = 8  # a command's hosts at once, by default


class EarlySocket:
    """A connection that is made in a thread of its own, beginning now."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connected: Future[socket.socket] = Future()
        threading.Thread(target=self._connect, daemon=True).start()

    def take(self, endpoint: Endpoint) -> socket.socket | None:
        """Return the connection if it leads there and stands; else close it and return None."""
        try:
            connected = self._connected.result()
        except OSError:
            return None
        if endpoint == self._endpoint:
            return connected
        connected.close()
        return None

    def _connect(self) -> None:
        try:
            self._connected.set_result(socket.create_connection(self._endpoint, _TIMEOUT_S))
        except OSError as error:
            self._connected.set_exception(error)


def begin(inventory: Path, requested: str) -> dict[str, EarlySocket]:
    """Connect to where the hosts of the same --host were last; return the connections by host."""
    note, known = _note(inventory, requested), {}
    if note is not None:
        with suppress(OSError, ValueError, AttributeError):
            known = dict(json.loads(note.read_bytes()).items())
    found = {}
    for name, place in list(known.items())[:_MOST_HOSTS]:
        match place:
            case [str(address), int(port)]:
                found[name] = EarlySocket((address, port))
    return found


def remember(inventory: Path, requested: str, reached: Mapping[str, Endpoint]) -> None:
    """Store where the hosts of a --host were reached, if that is not what is stored."""
    note = _note(inventory, requested)
    text = json.dumps(reached)
    if note is None:
        return
    with suppress(OSError, ValueError):
        if not note.exists() or note.read_text() != text:
            note.touch(mode=0o600)
            note.write_text(text)


def _note(inventory: Path, requested: str) -> Path | None:
    return private_file("reached", str(inventory.resolve()), requested)
