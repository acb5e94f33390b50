"""What a client needs of the server before it connects: that it answers, and its key."""

from __future__ import annotations

from pathlib import Path

from onecard.credentials import client_copies
from onecard.errors import UnhealthyError
from onecard.server.client import api_key, client
from onecard.server.state import ServiceState
from onecard.ssh.login import Connected


def verify_api(box: Connected, state: ServiceState) -> None:
    """Request the list of models with the key. Raises UnhealthyError where that fails."""
    with client(box, state, timeout_s=30.0) as api:
        api.models()


def save_key(box: Connected) -> Path:
    """Write the server's key to its file on this computer. Raises UnhealthyError without one."""
    key = api_key(box.session)
    if key is None:
        raise UnhealthyError(
            f"{box.host.name}: the server has no API key; run: invoke deploy --host {box.host.name}"
        )
    return client_copies.save_key(box.host.name, key)
