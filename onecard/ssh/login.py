"""Log in to a host: connection, prompts and root shell put together."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from onecard.errors import OnecardError, UnreachableError
from onecard.inventory.host import Host
from onecard.ssh.boot import login_command
from onecard.ssh.disk_space import with_disk_reason
from onecard.ssh.door import Door
from onecard.ssh.doors import choose
from onecard.ssh.prompts import Prompts
from onecard.ssh.shell import Request, Session, encoded, new_nonce
from onecard.ssh.transport.early_socket import EarlySocket

LoggedIn = tuple[Door, Session, Prompts]


@dataclass
class Connected:
    """A host with its open connection and its root shell.

    known_hosts: file of host keys; prompts: passwords and confirmations.
    """

    host: Host
    connection: Door
    session: Session
    known_hosts: Path
    prompts: Prompts

    def close(self) -> None:
        """Close the shell and the connection."""
        self.session.close()
        self.connection.close()

    def reopen(self) -> Session:
        """Log in again, as after a reboot, and return the new shell. Raises as `connected` does."""
        self.close()
        self.connection, self.session = _log_in(
            self.host, self.known_hosts, self.prompts, again=True
        )
        return self.session

    def another_session(self, idle_timeout: float | None = None) -> Session:
        """Open a second shell over the same connection, to run in parallel with the first."""
        return _session(self.host, self.connection, Prompts(), idle_timeout)


@contextmanager
def connected(
    host: Host,
    known_hosts: Path,
    first: Sequence[Request] = (),
    begun: Callable[[], LoggedIn] | None = None,
) -> Iterator[Connected]:
    """Log in to a host and open the shell; close both at the end.

    first: the requests that will be sent first, if they are known; nothing secret. begun: returns
    this login, where it has begun already.
    An error caused by a full or read-only disk names that disk (disk_space.py).
    Raises HostKeyError, AuthenticationError, UnreachableError.
    """
    if begun is None:
        connection, session, prompts = log_in(host, known_hosts, lambda: first)
    else:
        connection, session, prompts = begun()
    box = Connected(host, connection, session, known_hosts, prompts)
    try:
        yield box
    except OnecardError as error:
        explained = with_disk_reason(error, box.session)
        if explained is error:
            raise
        raise explained from error
    finally:
        box.close()


def holder(command: str) -> str:
    """Return this run's name, for other runs that find the box locked."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    return f"`invoke {command}` of {who} (pid {os.getpid()}) since {now}"


def log_in(
    host: Host,
    known_hosts: Path,
    first: Callable[[], Sequence[Request]] = tuple,
    early: EarlySocket | None = None,
) -> LoggedIn:
    """Return the connection, its root shell, and what prompted. Raises as `connected` does.

    first: returns the first requests; nothing of the account is sent before it has. early: a
    connection to use if it leads to the host.
    """
    prompts = Prompts()
    return *_log_in(host, known_hosts, prompts, first, early), prompts


def _log_in(
    host: Host,
    known_hosts: Path,
    prompts: Prompts,
    first: Callable[[], Sequence[Request]] = tuple,
    early: EarlySocket | None = None,
    *,
    again: bool = False,
) -> tuple[Door, Session]:
    """Return the connection and its root shell.

    first: returns the first requests, which go with the login.
    again: use no connection of an earlier command, as after one that had died unseen.
    """
    nonce, become = new_nonce(), host.connection.become
    connection = choose.connect(
        host,
        known_hosts,
        prompts,
        first=lambda: login_command(nonce, become=become, first=encoded(first())),
        early=early,
        again=again,
    )
    try:
        return connection, _session(host, connection, prompts, nonce=nonce, first=first())
    except BaseException as error:
        connection.close()
        if not (connection.reused and isinstance(error, UnreachableError)):
            raise
    return _log_in(host, known_hosts, prompts, first, again=True)


def _session(
    host: Host,
    connection: Door,
    prompts: Prompts,
    idle_timeout: float | None = None,
    *,
    nonce: str = "",
    first: Sequence[Request] = (),
) -> Session:
    settings = host.connection
    return Session(
        connection.pipe,
        nonce=nonce,
        first=first,
        host=host.name,
        become=settings.become,
        prompt_password=lambda: prompts.sudo_password(connection.login),
        on_wait=lambda holder: print(
            f"{host.name}: waiting for a job that {holder} left running", file=sys.stderr
        ),
        command_timeout=settings.command_timeout,
        idle_timeout=idle_timeout or settings.idle_timeout,
    )
