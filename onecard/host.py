"""A host: where it is, how to log in, and what it should become."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onecard import layout
from onecard.locks.lock import Lock
from onecard.secret import Secret
from onecard.settings import Settings


@dataclass(frozen=True)
class Connection:
    """How to reach a host. An empty value leaves the choice to `~/.ssh/config` and its defaults.

    address: name or address, or an alias in `~/.ssh/config`.
    key_file: private key to offer beside the agent's and the user's own.
    proxy_jump: `user@address[:port]`, several separated by commas.
    become: run as root through sudo when the login is not root.
    connect_timeout, command_timeout, idle_timeout: seconds. A command that prints nothing for
        `idle_timeout`, or runs longer than `command_timeout`, is given up.
    """

    address: str
    port: int | None = None
    user: str = ""
    key_file: Path | None = None
    proxy_jump: str = ""
    become: bool = True
    connect_timeout: float = 15.0
    command_timeout: float = 3600.0
    idle_timeout: float = 900.0


@dataclass(frozen=True)
class Host:
    """One host of the inventory, or one named by address on the command line.

    groups: every group that it belongs to, `all` left out, outermost first.
    lock: the exact build that it runs; None before the first provision.
    index_login: `name:password` for the indexes of the settings.
    api_key: the key that its server must have, None for one drawn on the box.
    """

    name: str
    connection: Connection
    settings: Settings
    groups: tuple[str, ...] = ()
    api_key: Secret | None = None
    lock: Lock | None = None
    index_login: Secret | None = None

    @property
    def venv(self) -> str:
        """Return its environment's folder on the box: the lock's own, or the one in force."""
        return f"{layout.VENVS}/{self.lock.key}" if self.lock else layout.VENV
