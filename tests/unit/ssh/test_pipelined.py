"""A login whose authentication, channel and command are sent at once; and where they are not."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from onecard.errors import AuthenticationError, HostKeyError, UnreachableError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.login import Connected, connected
from onecard.ssh.transport.login_notes import ORDINARY, note, noted
from tests.support.ssh_server import HOST_KEY, SshServer

NEWKEYS = 21  # SSH_MSG_NEWKEYS, RFC 4253
KEXINIT, KEX_INIT = 20, 30
KEY = paramiko.ECDSAKey.generate()


class WatchingServer(SshServer):
    """Notes what of a connection had arrived before its authentication was answered.

    early: whether that was a command, for each key that was shown. cuts: end a connection where it
    is, within a second.
    """

    def __init__(self, *keys: paramiko.PKey, cuts: bool = False, **options: object) -> None:
        super().__init__(*keys, **options)  # type: ignore[arg-type]
        self._cuts = cuts
        self.early: list[bool] = []

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        deadline = time.monotonic() + (1 if self._cuts else 15)
        while time.monotonic() < deadline and not self._has_a_command():
            time.sleep(0.01)
        self.early.append(self._has_a_command())
        if self._cuts and self.early[-1]:
            self._near[-1].shutdown(socket.SHUT_RDWR)
        return super().check_auth_publickey(username, key)

    def _has_a_command(self) -> bool:
        """Return whether more has come after the key exchange than an authentication needs."""
        return len(messages(bytes(self.received[-1]))[1]) > 2000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("SSH_AUTH_SOCK", "ONECARD_SSH_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path


def log_in(server: SshServer, home: Path, key: paramiko.PKey = KEY) -> Iterator[Connected]:
    """Log in with a key of its own."""
    (home / "key").unlink(missing_ok=True)
    key.write_private_key_file(str(home / "key"))
    if not (home / "known_hosts").exists():
        (home / "known_hosts").write_text(server.known_host)
    place = Connection("127.0.0.1", server.port, "ann", home / "key", become=False)
    return connected(Host("box1", place, Settings()), home / "known_hosts")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def name_of(server: SshServer) -> str:
    return f"[127.0.0.1]:{server.port}"


def messages(data: bytes) -> tuple[list[int], bytes]:
    """Return the types of a connection's messages up to NEWKEYS, and what comes after it."""
    rest = data.partition(b"\n")[2]
    kinds: list[int] = []
    while rest and kinds[-1:] != [NEWKEYS]:
        (length,) = struct.unpack(">I", rest[:4])
        kinds.append(rest[5])
        rest = rest[4 + length :]
    return kinds, rest


def test_channel_and_command_come_before_the_authentication_is_answered(home: Path) -> None:
    with WatchingServer(KEY) as server:
        with log_in(server, home) as box:
            assert box.session.run("echo in").output == "in"
            assert box.another_session().run("echo two").output == "two"
        assert server.early == [True]
        assert noted(name_of(server)) != ORDINARY


class SlowServer(SshServer):
    """Says nothing, its version included, until the client has sent this many bytes.

    before: the types of the messages that had come by then.
    """

    def __init__(self, *keys: paramiko.PKey, least: int) -> None:
        super().__init__(*keys)
        self._least = least
        self.before: list[list[int]] = []

    def _carry(self, source: socket.socket, target: socket.socket, seen: bytearray) -> None:
        received = self.received[-1]
        if seen is not received:
            deadline = time.monotonic() + 2
            while len(received) < self._least and time.monotonic() < deadline:
                time.sleep(0.01)
            self.before.append(messages(bytes(received))[0])
        super()._carry(source, target, seen)


def test_the_key_exchange_begins_before_the_server_has_said_a_word(home: Path) -> None:
    with SlowServer(KEY, least=600) as server:
        for kinds in ([], [KEXINIT, KEX_INIT]):
            with log_in(server, home) as box:
                assert box.session.run("echo in").output == "in"
            assert server.before[-1] == kinds
        assert len(server.received) == 2
        assert noted(name_of(server)) in paramiko.Transport._kex_info  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("expected", "connections"),
    [
        ("ecdh-sha2-nistp521", 2),  # the server agrees on another one
        ("diffie-hellman-group-exchange-sha256", 1),  # waits for the server
        ("no-such-exchange", 1),
        ("", 1),
    ],
)
def test_an_expectation_that_is_wrong_costs_a_connection(
    home: Path, expected: str, connections: int
) -> None:
    with SshServer(KEY) as server:
        note(name_of(server), expected)
        with log_in(server, home) as box:
            assert box.session.run("echo in").output == "in"
        assert len(server.received) == connections
        assert noted(name_of(server)) not in (expected, ORDINARY)
        with log_in(server, home):
            pass
        assert len(server.received) == connections + 1


def test_a_server_with_another_key_gets_no_byte_after_the_exchange(home: Path) -> None:
    other = paramiko.ECDSAKey.generate().get_base64()
    with WatchingServer(KEY) as server:
        name = server.known_host.partition(" ")[0]
        (home / "known_hosts").write_text(f"{name} {HOST_KEY.get_name()} {other}\n")
        with pytest.raises(HostKeyError, match="host key has changed"), log_in(server, home):
            pass
        (home / "known_hosts").write_text("")
        with pytest.raises(HostKeyError, match="unknown host key"), log_in(server, home):
            pass
        note(name_of(server), "curve25519-sha256@libssh.org")
        with pytest.raises(HostKeyError, match="unknown host key"), log_in(server, home):
            pass
        wait_for(lambda: server.ended == 3)
        for each in server.received:
            kinds, rest = messages(bytes(each))
            assert kinds[-1] == NEWKEYS
            assert rest == b""
        assert server.early == []


def test_a_server_that_cuts_such_a_login_is_logged_in_to_step_by_step(home: Path) -> None:
    with WatchingServer(KEY, cuts=True) as server:
        with log_in(server, home) as box:
            assert box.session.run("echo in").output == "in"
        assert len(server.received) == 2
        assert noted(name_of(server)) == ORDINARY
        with log_in(server, home) as box:
            assert box.session.run("echo in").output == "in"
        assert len(server.received) == 3  # it is remembered


def test_a_server_that_numbers_its_channels_in_another_way(home: Path) -> None:
    with SshServer(KEY, first_channel=7) as server:
        with log_in(server, home) as box:
            assert box.session.run("echo in").output == "in"
        assert noted(name_of(server)) == ORDINARY


def test_a_refused_key_is_followed_by_a_password(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SshServer(KEY, password="pw") as server:
        stranger = paramiko.ECDSAKey.generate()
        with (
            pytest.raises(AuthenticationError, match="refused the login"),
            log_in(server, home, stranger),
        ):
            pass
        monkeypatch.setenv("ONECARD_SSH_PASSWORD", "pw")
        with log_in(server, home, stranger) as box:
            assert box.session.run("echo in").output == "in"


def test_a_command_that_is_refused_is_named(home: Path) -> None:
    with (
        SshServer(KEY, refusal="") as server,
        pytest.raises(UnreachableError, match="runs no commands, only a terminal"),
        log_in(server, home),
    ):
        pass
