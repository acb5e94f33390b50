"""Port forwarding: from a port of this computer to one on the box, over the open connection.

Fabric's own forwarding ends for good at the first connection that the box refuses, which is what
a server does until it is up; here such a connection is closed, and the next one is tried.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from onecard.errors import UnreachableError


class Channel(Protocol):
    """A byte stream to the box's port."""

    def recv(self, size: int, /) -> bytes:
        """Return some bytes, b"" at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of `data`."""

    def shutdown_write(self) -> None:
        """Signal the end of the data."""

    def close(self) -> None:
        """Close the stream."""


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True  # connections of a tunnel that was just closed linger
    daemon_threads = True
    block_on_close = False


@contextmanager
def forwarded(open_channel: Callable[[], Channel], port: int = 0) -> Iterator[int]:
    """Listen on a port of 127.0.0.1 and yield its number; close everything at the end.

    open_channel: opens a stream to the box's port; raises UnreachableError when it is refused.
    port: the one to listen on, 0 for any that is free. Raises OSError when it is taken.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(UnreachableError, OSError):
                channel = open_channel()
                try:
                    _join(self.request, channel)
                finally:
                    channel.close()

    with _Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _join(near: socket.socket, far: Channel) -> None:
    """Copy bytes in both directions, each until its own end."""
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def outwards() -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                far.sendall(data)
            far.shutdown_write()

    sender = threading.Thread(target=outwards, daemon=True)
    sender.start()
    while data := far.recv(65536):
        near.sendall(data)
    near.shutdown(socket.SHUT_RDWR)
    sender.join()
