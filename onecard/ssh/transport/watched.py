"""SSH transport with a timeout: it closes itself when the box stops answering."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import paramiko

_CHECK_INTERVAL = 0.5  # seconds between two checks for received data
_SHORTEST_SILENCE_TIMEOUT = 15.0  # s


def silence_limit(connect_timeout: float) -> float:
    """Return the seconds that a box may be silent after the login.

    A short connect_timeout is meant for boxes that are down, not for those that are busy.
    """
    return max(_SHORTEST_SILENCE_TIMEOUT, connect_timeout)


class _CountingSocket:
    """A socket that counts how often it received data."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.received = 0

    def recv(self, size: int) -> bytes:
        data: bytes = self._connection.recv(size)
        self.received += 1
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class WatchedTransport(paramiko.Transport):
    """A transport that closes itself when the box stops answering.

    paramiko's keepalive requests no reply; TCP's detects neither a hanging sshd nor a lost box
    behind a jump host. Here any received data proves that the box is up; without any, a keepalive
    request is sent. Checks are counted, not seconds: this process may itself have been stopped.

    connect_timeout, silence_timeout: seconds without data that close it, until and after the login.
    host_keys: the algorithms that the host is to sign with, if it can. offered: lists of other
    algorithms (algorithms.py). silent: whether a timeout closed it.
    """

    def __init__(
        self,
        connection: Any,
        *,
        connect_timeout: float,
        silence_timeout: float,
        host_keys: Sequence[str] = (),
        offered: Mapping[str, Sequence[str]] | None = None,
        **keywords: Any,
    ) -> None:
        self._socket = _CountingSocket(connection)
        self._connect_timeout = connect_timeout
        self._silence_timeout = silence_timeout
        self.silent = False
        with suppress(OSError, AttributeError):  # a hop's channel, or the socket of a program
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(self._socket, **keywords)  # type: ignore[arg-type]  # a socket in all it does
        known = self.get_security_options()
        first = [name for name in host_keys if name in known.key_types]
        known.key_types = (*first, *(name for name in known.key_types if name not in first))
        for name, algorithms in (offered or {}).items():
            setattr(known, name, tuple(algorithms))

    def run(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()
        super().run()

    def stop_thread(self) -> None:
        """End the thread that reads; it sees the connection's end at once."""
        with suppress(OSError, EOFError):
            self._socket.shutdown(socket.SHUT_RDWR)
        super().stop_thread()

    def _watch(self) -> None:
        received, silence = 0, 0.0
        request: threading.Thread | None = None
        while self.is_alive():
            self.join(_CHECK_INTERVAL)
            if self._socket.received != received:
                received, silence = self._socket.received, 0.0
                continue
            silence += _CHECK_INTERVAL
            logged_in = self.is_authenticated()
            limit = self._silence_timeout if logged_in else self._connect_timeout
            if silence > limit - 2 * _CHECK_INTERVAL:
                self.silent = True
                self.close()
            elif logged_in and silence > limit / 3 and not (request and request.is_alive()):
                request = threading.Thread(target=self._send_keepalive, daemon=True)
                request.start()

    def _send_keepalive(self) -> None:
        with suppress(paramiko.SSHException, OSError, EOFError):  # the connection was closed
            self.global_request("keepalive@openssh.com")
