"""A login with a password to the tests' SSH server, as commands log in to a box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.login import Connected, connected
from onecard.ssh.shell import Request
from tests.support.ssh_server import SshServer


@contextmanager
def logged_in(
    server: SshServer, folder: Path, first: Sequence[Request] = (), user: str = "ann"
) -> Iterator[Connected]:
    """Log in; the password is that of ONECARD_SSH_PASSWORD."""
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(server.known_host)
    settings = Connection("127.0.0.1", port=server.port, user=user, become=False)
    with connected(Host("box1", settings, Settings()), known_hosts, first) as box:
        yield box
