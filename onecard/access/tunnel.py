"""A tunnel to a host's API: a port of this computer's 127.0.0.1, for as long as it is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from onecard.access.reconnect import ReconnectingConnection
from onecard.access.server_access import save_key, verify_api
from onecard.access.snippets import Endpoint
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.server.state import ServiceState
from onecard.ssh.forward import Channel, forwarded


@dataclass(frozen=True)
class OpenTunnel:
    """A tunnel that is open: the API's address here, and the server behind it."""

    connection: ReconnectingConnection
    endpoint: Endpoint
    state: ServiceState


@contextmanager
def open_tunnel(
    host: Host, known_hosts: Path, say: Callable[[str], None], port: int | None
) -> Iterator[OpenTunnel]:
    """Forward a port to the host's API; close it at the end.

    port: the one to listen on; None for the API's own, or any where that is taken. say: called with
    a line about the connection. Raises UnhealthyError when the server does not answer, UsageError
    when `port` is taken.
    """
    connection = ReconnectingConnection(host, known_hosts, say)
    with ExitStack() as opened:
        opened.callback(connection.close)
        box, state = connection.open()
        verify_api(box, state)
        key_file = save_key(box)
        here = listen(opened, connection.stream, port, state.port)
        if port is None and here != state.port:
            say(f"port {state.port} is taken on this computer: listening on {here}")
        endpoint = Endpoint(f"http://127.0.0.1:{here}/v1", state.model, key_file)
        yield OpenTunnel(connection, endpoint, state)


def listen(
    opened: ExitStack, stream: Callable[[], Channel], wanted: int | None, remote: int
) -> int:
    """Listen on the requested port, else on the API's own, else on any; return it."""
    try:
        return opened.enter_context(forwarded(stream, wanted or remote))
    except OSError as error:
        if wanted is not None:
            raise UsageError(
                f"--port: {wanted} cannot be listened on here ({error.strerror}); name another, or "
                "leave --port out"
            ) from error
    return opened.enter_context(forwarded(stream))
