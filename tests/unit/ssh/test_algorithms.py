"""The user's Ciphers, KexAlgorithms and MACs count for Paramiko's door, or choose the other one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import paramiko
import pytest

from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.connection import SshConnection
from onecard.ssh.doors.choose import beyond_paramiko
from onecard.ssh.login import connected
from onecard.ssh.openssh.route import Destination, Route, resolve
from onecard.ssh.transport.algorithms import beyond, offered
from tests.support.ssh_server import SshServer

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")
KEY = paramiko.ECDSAKey.generate()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("ONECARD_SSH_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").touch()
    KEY.write_private_key_file(str(tmp_path / "key"))
    return tmp_path


def host(home: Path, port: int = 22) -> Host:
    return Host(
        "box1", Connection("127.0.0.1", port, "ann", home / "key", become=False), Settings()
    )


@needs_ssh
def test_a_login_takes_what_the_configuration_says(home: Path) -> None:
    (home / "config").write_text(
        "Ciphers aes256-ctr\nMACs hmac-sha2-512\nKexAlgorithms ecdh-sha2-nistp384\n"
    )
    with SshServer(KEY) as server:
        (home / "known_hosts").write_text(server.known_host)
        with connected(host(home, server.port), home / "known_hosts") as box:
            assert isinstance(box.connection, SshConnection)
            transport: Any = box.connection._connection.transport
            assert (transport.local_cipher, transport.local_mac) == ("aes256-ctr", "hmac-sha2-512")
        assert b"ecdh-sha2-nistp384" in server.received[0]
        assert b"curve25519" not in server.received[0]


@needs_ssh
def test_sshs_defaults_leave_paramiko_its_strong_ones_alone(home: Path) -> None:
    found = offered(resolve(host(home)))
    assert found["kex"][0] in ("curve25519-sha256@libssh.org", "mlkem768x25519-sha256")
    assert "aes128-ctr" in found["ciphers"]
    assert "hmac-sha2-256-etm@openssh.com" in found["digests"]
    weak = ("cbc", "md5", "-96")
    assert not [name for names in found.values() for name in names if any(w in name for w in weak)]
    assert beyond_paramiko(host(home), resolve(host(home)), home / "known_hosts") == ""


@needs_ssh
@pytest.mark.parametrize(
    "line",
    [
        "Ciphers chacha20-poly1305@openssh.com",
        "MACs umac-128-etm@openssh.com",
        "KexAlgorithms sntrup761x25519-sha512@openssh.com",
    ],
)
def test_what_paramiko_has_not_chooses_the_users_own_ssh(line: str, home: Path) -> None:
    (home / "config").write_text(f"{line}\n")
    reason = beyond_paramiko(host(home), resolve(host(home)), home / "known_hosts")
    assert reason == f"{line.partition(' ')[0].lower()} of the ssh configuration"


def test_without_sshs_lists_they_are_paramikos_own() -> None:
    for listed in ({}, {"ciphers": ("+aes128-cbc",)}):
        route = Route(Destination("a"), "a", 22, "ann", listed)
        assert (offered(route), beyond(route)) == ({}, "")
