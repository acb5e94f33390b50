"""Connections that are made before the inventory is read: the right one is used, no other is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.login import log_in
from onecard.ssh.transport import early_socket
from onecard.ssh.transport.early_socket import EarlySocket
from tests.support.ssh_server import SshServer

KEY = paramiko.ECDSAKey.generate()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    KEY.write_private_key_file(str(tmp_path / "key"))
    return tmp_path


@pytest.fixture
def server() -> Iterator[SshServer]:
    with SshServer(KEY) as server:
        yield server


def log_in_with(early: EarlySocket, server: SshServer, home: Path) -> None:
    (home / "known_hosts").write_text(server.known_host)
    place = Connection("127.0.0.1", server.port, "ann", home / "key", become=False)
    door, session, _ = log_in(Host("box1", place, Settings()), home / "known_hosts", early=early)
    assert session.run("echo in").output == "in"
    assert door.endpoint == ("127.0.0.1", server.port)
    door.close()


def test_the_right_connection_is_used(home: Path, server: SshServer) -> None:
    log_in_with(EarlySocket(("127.0.0.1", server.port)), server, home)
    assert len(server.received) == 1


def test_one_to_another_place_is_closed_without_a_byte(home: Path, server: SshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        log_in_with(EarlySocket(other.getsockname()), server, home)
        stray, _ = other.accept()
        stray.settimeout(15)
        assert stray.recv(1) == b""
        stray.close()


def test_a_place_that_takes_no_connections_is_left_to_the_login(
    home: Path, server: SshServer
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()
    log_in_with(EarlySocket(closed), server, home)
    assert len(server.received) == 1


def test_words_are_remembered_by_inventory(home: Path, server: SshServer) -> None:
    place = ("127.0.0.1", server.port)
    early_socket.remember(home, "box1", {"box1": place})
    assert early_socket.begin(home, "box2") == {}
    assert early_socket.begin(home / "other", "box1") == {}
    early = early_socket.begin(home, "box1")
    connected = early["box1"].take(place)
    assert connected is not None
    connected.close()
    early_socket.remember(home, "box1", {})
    assert early_socket.begin(home, "box1") == {}


@pytest.mark.parametrize("text", ["", "[]", "5", '{"box1": 5}', '{"box1": ["x"]}', "{", "\0"])
def test_a_broken_note_is_none(home: Path, text: str) -> None:
    early_socket.remember(home, "box1", {})
    (note,) = (home / "cache/onecard/reached").iterdir()
    note.write_text(text)
    assert early_socket.begin(home, "box1") == {}
