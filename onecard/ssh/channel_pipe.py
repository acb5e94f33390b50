"""A command that runs on the box, at the other end of a channel of Paramiko's."""

from __future__ import annotations

from collections.abc import Callable

import paramiko

from onecard.errors import UnreachableError


class ChannelPipe:
    """A command running on the box; implements Pipe.

    lost: returns the error for a lost connection.
    """

    def __init__(self, channel: paramiko.Channel, lost: Callable[[], UnreachableError]) -> None:
        self._channel = channel
        self._lost = lost

    def write(self, data: bytes) -> None:
        self._channel.settimeout(None)  # the timeout of a read does not apply to a long upload
        try:
            self._channel.sendall(data)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._lost() from error

    def read(self, timeout: float) -> bytes | None:
        self._channel.settimeout(timeout)
        try:
            data = self._channel.recv(65536)
        except TimeoutError:
            return None
        if not data and not self._channel.get_transport().is_active():
            raise self._lost()
        return data

    def close(self) -> None:
        self._channel.close()
