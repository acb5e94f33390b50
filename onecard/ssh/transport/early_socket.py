"""TCP connections to where the last command with the same words connected to.

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

from onecard.byte_code import private_file

Endpoint = tuple[str, int]
"""Address and port, as the login resolved them."""

_LONGEST = 1.0  # s; a box that is down is reported by the login, which waits longer
_MOST = 8  # a command's hosts at once, by default


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
            self._connected.set_result(socket.create_connection(self._endpoint, _LONGEST))
        except OSError as error:
            self._connected.set_exception(error)


def begin(inventory: Path, words: str) -> dict[str, EarlySocket]:
    """Connect to what the same words of this inventory were last; return them by host."""
    note, known = _note(inventory, words), {}
    if note is not None:
        with suppress(OSError, ValueError, AttributeError):
            known = dict(json.loads(note.read_bytes()).items())
    found = {}
    for name, place in list(known.items())[:_MOST]:
        match place:
            case [str(address), int(port)]:
                found[name] = EarlySocket((address, port))
    return found


def remember(inventory: Path, words: str, reached: Mapping[str, Endpoint]) -> None:
    """Store where these words' hosts were reached, if that is not what is stored."""
    note = _note(inventory, words)
    text = json.dumps(reached)
    if note is None:
        return
    with suppress(OSError, ValueError):
        if not note.exists() or note.read_text() != text:
            note.touch(mode=0o600)
            note.write_text(text)


def _note(inventory: Path, words: str) -> Path | None:
    return private_file("reached", str(inventory.resolve()), words)
