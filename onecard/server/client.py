"""A client of the server's API through a tunnel, with the key that the box holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from onecard.api.client import Client
from onecard.box import paths
from onecard.credentials.secret import Secret
from onecard.errors import UnhealthyError
from onecard.resources.base import fields
from onecard.server.health import require_answer
from onecard.server.state import ServiceState
from onecard.ssh.login import Connected
from onecard.ssh.shell import Session


def api_key(session: Session) -> Secret | None:
    """Return the server's key from its file on the box (mode 0600), None if there is none."""
    text = session.run(f"cat {paths.API_KEY} 2>/dev/null").output
    value = fields(text).get("VLLM_API_KEY")
    return Secret(value) if value else None


@contextmanager
def client(box: Connected, state: ServiceState, timeout_s: float = 120.0) -> Iterator[Client]:
    """Open a tunnel to the server's API and yield a client for it.

    The health check comes first, so that a hanging server is detected within seconds.
    Raises UnhealthyError if nothing is deployed, NotServingError if the server does not answer.
    """
    if not state.loaded or not state.model:
        raise UnhealthyError(state.absence(box.host.name))
    require_answer(box.session, state, box.host)
    key = api_key(box.session)
    with (
        box.connection.tunnel(state.port, state.address) as port,
        Client(f"http://127.0.0.1:{port}", state.model, key, timeout_s, shown=state.url) as opened,
    ):
        yield opened
