"""Reconnecting SSH connection: retry after a lost connection to a host's API."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from onecard.errors import HostKeyError, OnecardError, UnreachableError, UsageError
from onecard.inventory.host import Host
from onecard.server.state import ServiceState, service_state
from onecard.ssh.forward import Channel
from onecard.ssh.login import Connected, connected

_POLL = 0.5  # seconds between two checks of the connection
_LONGEST_PAUSE = 15.0  # seconds between two retries, after shorter pauses


class ReconnectingConnection:
    """One host's SSH connection, and the address of its API on the box.

    say: called with one line when the connection is lost, and when it is back.
    """

    def __init__(self, host: Host, known_hosts: Path, say: Callable[[str], None]) -> None:
        self._host = host
        self._known_hosts = known_hosts
        self._say = say
        self._opened = ExitStack()
        self._box: Connected | None = None
        self._state: ServiceState | None = None

    def open(self) -> tuple[Connected, ServiceState]:
        """Connect, and read the API's address on the box. Raises as `connected` does."""
        self.close()
        box = self._opened.enter_context(connected(self._host, self._known_hosts))
        self._box, self._state = box, service_state(box.session)
        return self._box, self._state

    def stream(self, port: int | None = None) -> Channel:
        """Open a byte stream. Raises UnreachableError, also while reconnecting.

        port: of the box's own 127.0.0.1; None for the API.
        """
        box, state = self._box, self._state
        if box is None or state is None:
            raise UnreachableError(f"{self._host.name}: not connected at the moment")
        if port is not None:
            return box.connection.stream(port)
        return box.connection.stream(state.port, state.address)

    def reconnect_forever(self) -> None:
        """Reconnect whenever the connection is lost; never returns.

        Raises HostKeyError if the host's key has changed.
        """
        while True:
            reason = self._wait_until_lost()
            lost = time.monotonic()
            self._say(f"connection lost ({reason}); connecting again")
            self._reconnect()
            self._say(f"connected again after {time.monotonic() - lost:.0f} s")

    def close(self) -> None:
        """Close the connection."""
        self._box = None
        opened, self._opened = self._opened, ExitStack()
        opened.close()

    def _wait_until_lost(self) -> str:
        box = self._box
        if box is None:
            return "it was never open"
        while box.connection.alive:
            time.sleep(_POLL)
        return "the box does not answer" if box.connection.silent else "closed by the other end"

    def _reconnect(self) -> None:
        pause, reported = 1.0, ""
        while True:
            try:
                self.open()
                return
            except (HostKeyError, UsageError):
                raise
            except OnecardError as error:
                self._box = None
                if error.message != reported:
                    reported = error.message
                    self._say(f"not yet: {reported.removeprefix(f'{self._host.name}: ')}")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
