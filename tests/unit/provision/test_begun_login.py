"""A login that has begun: how far it goes by itself, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from onecard.errors import HostKeyError
from onecard.inventory.host import Host
from onecard.provision.begun_login import BegunLogin
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.login import connected
from onecard.ssh.shell import Request
from onecard.ssh.transport.login_notes import note
from tests.support.ssh_server import HOST_KEY, SshServer

KEY = paramiko.ECDSAKey.generate()
FIRST = (Request.run("echo first"),)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    KEY.write_private_key_file(str(tmp_path / "key"))
    with SshServer(KEY) as server:
        (tmp_path / "known_hosts").write_text(server.known_host)
        yield server


def host_of(server: SshServer, folder: Path) -> Host:
    place = Connection("127.0.0.1", server.port, "ann", folder / "key", become=False)
    return Host("box1", place, Settings())


def log_in_before(server: SshServer, folder: Path) -> None:
    with connected(host_of(server, folder), folder / "known_hosts"):
        pass


def exchanged(server: SshServer, connection: int) -> bool:
    """Wait until the keys of this connection are exchanged; nothing more must come for a while."""
    deadline = time.monotonic() + 15
    while len(server._far) <= connection or not server._far[connection].initial_kex_done:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return not server._far[connection].is_authenticated() and len(server.offered) == connection


def test_it_goes_as_far_as_the_key_exchange(server: SshServer, tmp_path: Path) -> None:
    log_in_before(server, tmp_path)
    host = host_of(server, tmp_path)
    login = BegunLogin(host, tmp_path / "known_hosts")
    assert exchanged(server, 1)
    login.go_on(FIRST)
    with connected(host, tmp_path / "known_hosts", FIRST, login.end) as box:
        assert box.session.send(FIRST)[0].output == "first"
    assert len(server.received) == 2


def test_one_that_is_cancelled_shows_no_key(server: SshServer, tmp_path: Path) -> None:
    log_in_before(server, tmp_path)
    ended = server.ended
    login = BegunLogin(host_of(server, tmp_path), tmp_path / "known_hosts")
    assert exchanged(server, 1)
    login.cancel()
    deadline = time.monotonic() + 15
    while server.ended == ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(server.offered) == 1


def test_the_first_login_to_a_host_waits(server: SshServer, tmp_path: Path) -> None:
    """It may prompt."""
    login = BegunLogin(host_of(server, tmp_path), tmp_path / "known_hosts")
    login.cancel()
    host = host_of(server, tmp_path)
    other = BegunLogin(host, tmp_path / "known_hosts")
    other.go_on(FIRST)
    with connected(host, tmp_path / "known_hosts", FIRST, other.end) as box:
        assert box.session.send(FIRST)[0].output == "first"
    assert len(server.received) == 1


def test_its_error_is_raised_where_it_ends(server: SshServer, tmp_path: Path) -> None:
    name = server.known_host.partition(" ")[0]
    note(name, "curve25519-sha256@libssh.org")
    other = paramiko.ECDSAKey.generate().get_base64()
    (tmp_path / "known_hosts").write_text(f"{name} {HOST_KEY.get_name()} {other}\n")
    host = host_of(server, tmp_path)
    login = BegunLogin(host, tmp_path / "known_hosts")
    login.go_on(FIRST)
    with (
        pytest.raises(HostKeyError, match="host key has changed"),
        connected(host, tmp_path / "known_hosts", FIRST, login.end),
    ):
        pass
    assert server.offered == []
