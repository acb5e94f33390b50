"""From a host to a root shell on it: wire, prompts and session put together."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from onecard.host import Host
from onecard.prompts import Prompts
from onecard.session import Session
from onecard.wire import Wire


@dataclass
class Connected:
    """A host with its open connection and its root shell.

    known_hosts: file of host keys; prompts: who is asked when a person has to answer.
    """

    host: Host
    wire: Wire
    session: Session
    known_hosts: Path
    prompts: Prompts

    def close(self) -> None:
        """Close the shell and the connection."""
        self.session.close()
        self.wire.close()

    def reopen(self) -> Session:
        """Log in anew, as after a reboot, and return the new shell. Raises as `connected` does."""
        self.close()
        wire = Wire(self.host, self.known_hosts, self.prompts)
        try:
            wire.connect()
            self.session = _session(self.host, wire, self.prompts)
        except BaseException:
            wire.close()
            raise
        self.wire = wire
        return self.session

    def another_session(self, idle_timeout: float | None = None) -> Session:
        """Open a second shell over the same connection, for what runs beside the first."""
        return _session(self.host, self.wire, Prompts(), idle_timeout)


@contextmanager
def connected(host: Host, known_hosts: Path) -> Iterator[Connected]:
    """Log in to a host and open the shell; close both at the end.

    Raises HostKeyError, AuthenticationError, UnreachableError.
    """
    prompts = Prompts()
    wire = Wire(host, known_hosts, prompts)
    try:
        wire.connect()
        box = Connected(host, wire, _session(host, wire, prompts), known_hosts, prompts)
    except BaseException:
        wire.close()
        raise
    try:
        yield box
    finally:
        box.close()


def holder(command: str) -> str:
    """Return who we are, for whoever finds the box locked."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    return f"`invoke {command}` of {who} (pid {os.getpid()}) since {now}"


def _session(
    host: Host, wire: Wire, prompts: Prompts, idle_timeout: float | None = None
) -> Session:
    settings = host.connection
    return Session(
        wire.pipe,
        become=settings.become,
        ask_password=lambda: prompts.sudo_password(wire.login),
        on_wait=lambda holder: print(
            f"{host.name}: waiting for what {holder} left at work", file=sys.stderr
        ),
        command_timeout=settings.command_timeout,
        idle_timeout=idle_timeout or settings.idle_timeout,
    )
