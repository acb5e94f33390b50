"""A connection to a host's API that is made anew whenever it drops."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from onecard.connect import Connected, connected
from onecard.errors import HostKeyError, OnecardError, UnreachableError, UsageError
from onecard.host import Host
from onecard.server import ServiceState, service_state
from onecard.tunnel import Channel

_LOOK = 0.5  # seconds between two looks at the connection
_PROBE = 15.0  # seconds between two questions to the box: a dead network ends no connection
_PATIENCE = 10.0  # seconds that the box may take to answer one
_LONGEST_PAUSE = 15.0  # seconds between two tries to connect, after shorter ones


class Link:
    """One host's connection and where its API listens there.

    say: told, in one line each, that the connection was lost and that it is back.
    """

    def __init__(self, host: Host, known_hosts: Path, say: Callable[[str], None]) -> None:
        self._host = host
        self._known_hosts = known_hosts
        self._say = say
        self._opened = ExitStack()
        self._box: Connected | None = None
        self._state: ServiceState | None = None

    def open(self) -> tuple[Connected, ServiceState]:
        """Connect and ask where the API listens. Raises as `connected` does."""
        self.close()
        box = self._opened.enter_context(connected(self._host, self._known_hosts))
        self._box, self._state = box, service_state(box.session)
        return self._box, self._state

    def stream(self) -> Channel:
        """Open a byte stream to the API. Raises UnreachableError, also between connections."""
        box, state = self._box, self._state
        if box is None or state is None:
            raise UnreachableError(f"{self._host.name}: not connected at the moment")
        return box.wire.stream(state.port, state.address)

    def keep_up(self) -> None:
        """Connect again whenever the connection is lost; does not return.

        Raises HostKeyError: a host that is another one now is not gone on with.
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
        asked = time.monotonic()
        while box.wire.alive:
            if time.monotonic() - asked > _PROBE:
                try:
                    box.session.run(":", timeout=_PATIENCE)
                except OnecardError:
                    return "the box does not answer"
                asked = time.monotonic()
            time.sleep(_LOOK)
        return "closed by the other end"

    def _reconnect(self) -> None:
        pause, told = 1.0, ""
        while True:
            try:
                self.open()
                return
            except (HostKeyError, UsageError):
                raise
            except OnecardError as error:
                self._box = None
                if error.message != told:
                    told = error.message
                    self._say(f"not yet: {told.removeprefix(f'{self._host.name}: ')}")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
