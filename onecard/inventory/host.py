"""A host: where it is, how to log in, and what it should become."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from onecard.box import paths
from onecard.credentials import secret_store
from onecard.credentials.secret import Secret
from onecard.inventory.lock import Lock
from onecard.settings.connection import Connection
from onecard.settings.layers import Layer
from onecard.settings.settings import Settings


@dataclass(frozen=True)
class Host:
    """One host of the inventory, or one named by address on the command line.

    groups: every group that it belongs to, `all` left out, outermost first.
    lock: the exact build that it runs; None before the first provision.
    index_login: `name:password` for the indexes of the settings.
    layers: the blocks of variables that it is made of, the weakest first (origins.py).
    refusal: why it cannot be used, such as a connection that is not SSH; "" where it can.
    api_key: the key that its server must have, None for one generated on the box.
    """

    name: str
    connection: Connection
    settings: Settings
    groups: tuple[str, ...] = ()
    api_key: Secret | None = None
    lock: Lock | None = None
    index_login: Secret | None = None
    layers: tuple[Layer, ...] = field(default=(), compare=False, repr=False)
    refusal: str = ""

    @property
    def venv(self) -> str:
        """Return its environment's folder on the box: the lock's own, or the current one."""
        return f"{paths.VENVS}/{self.lock.key}" if self.lock else paths.VENV


def with_api_key(host: Host) -> Host:
    """Return a host with the API key that this computer stores for it. Raises UsageError."""
    return replace(host, api_key=secret_store.find("api-key", host.name))


def with_index_login(host: Host) -> Host:
    """Return a host with the login to its indexes that is stored here. Raises UsageError."""
    return replace(host, index_login=secret_store.find("index-login", host.name))
