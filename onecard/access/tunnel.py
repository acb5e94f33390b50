"""A tunnel to a host's API or metrics: a port of this computer's 127.0.0.1, while it is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from onecard.access.reconnect import ReconnectingConnection
from onecard.access.server_access import save_key, verify_api
from onecard.access.snippets import Endpoint
from onecard.box import paths
from onecard.errors import UnhealthyError, UsageError
from onecard.inventory.host import Host
from onecard.monitoring.configuration import PAGE, PROMETHEUS_PORT
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


@contextmanager
def open_metrics(
    host: Host, known_hosts: Path, say: Callable[[str], None], port: int | None
) -> Iterator[tuple[ReconnectingConnection, str]]:
    """Forward a port to the host's Prometheus; yield the connection and the address of its page.

    port: the one to listen on; None for Prometheus' own, or any where that is taken. Raises
    UnhealthyError where Prometheus does not run, UsageError when `port` is taken.
    """
    connection = ReconnectingConnection(host, known_hosts, say)
    with ExitStack() as opened:
        opened.callback(connection.close)
        box, _ = connection.open()
        shown = box.session.run(f"services show {paths.PROMETHEUS_UNIT}").output
        if "ActiveState=active" not in shown:
            raise UnhealthyError(
                f"{host.name}: Prometheus does not run there; set monitoring: true for the host, "
                f"then run: invoke provision --host {host.name}"
            )
        here = listen(opened, partial(connection.stream, PROMETHEUS_PORT), port, PROMETHEUS_PORT)
        yield connection, f"http://127.0.0.1:{here}/{PAGE}"


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
