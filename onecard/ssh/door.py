"""A door to a box: what every kind of SSH connection can do.

Paramiko's (connection.py) is the first; the user's own ssh (doors/own_ssh.py) does what it cannot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Protocol

from onecard.ssh.forward import Channel, forwarded
from onecard.ssh.transport.early_socket import Endpoint


class Pipe(Protocol):
    """A running remote command: bytes in, bytes out (standard error joined to standard output)."""

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises UnreachableError when the connection is lost."""

    def read(self, timeout: float) -> bytes | None:
        """Return some output, b"" at its end, None when nothing came within `timeout` seconds."""

    def close(self) -> None:
        """Close the command's input and output."""


class Door(ABC):
    """One host's SSH connection: commands and byte streams over one login."""

    @property
    @abstractmethod
    def login(self) -> str:
        """Return `user@address`."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Return the name or address that the box is reached at."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Return whether the connection is open, as far as this end knows."""

    @property
    @abstractmethod
    def silent(self) -> bool:
        """Return whether the connection was closed because the box did not answer."""

    @property
    def endpoint(self) -> Endpoint | None:
        """Return where its TCP connection leads to, None where it has none of its own."""
        return None

    @property
    def reused(self) -> bool:
        """Return whether the connection is an earlier command's, which may have died unseen."""
        return False

    @abstractmethod
    def connect(self) -> None:
        """Log in. Raises HostKeyError, AuthenticationError, UnreachableError, UsageError."""

    @abstractmethod
    def pipe(self, command: str) -> Pipe:
        """Start a command on the box; its standard error is joined to its standard output."""

    @abstractmethod
    def stream(self, port: int, address: str = "127.0.0.1") -> Channel:
        """Open a byte stream to a port that the box reaches. Raises UnreachableError."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection and all that leads to it."""

    def tunnel(self, port: int, address: str = "127.0.0.1") -> AbstractContextManager[int]:
        """Forward a free port of this computer's 127.0.0.1 to the box's port; yields the former."""
        return forwarded(lambda: self.stream(port, address))
