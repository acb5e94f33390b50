"""The door of the user's own ssh, to a real server: what Paramiko's does, and what it cannot."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from onecard.errors import AuthenticationError, HostKeyError, UnreachableError, UsageError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.doors.choose import beyond_paramiko
from onecard.ssh.doors.own_ssh import OwnSsh
from onecard.ssh.login import Connected, connected
from onecard.ssh.openssh import private_key
from onecard.ssh.openssh.route import resolve
from onecard.ssh.prompts import Prompts
from onecard.ssh.shell import Request
from tests.support.ssh_agent import agent_with
from tests.support.ssh_server import HOST_KEY, SshServer

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "id"
    _keygen("-t", "ed25519", "-N", "", "-f", str(path))
    return path


def _keygen(*words: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *words], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home folder; its ssh configuration is what ssh reads."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("ONECARD_SSH_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").write_text("")
    return tmp_path


@pytest.fixture
def server(key: Path) -> Iterator[SshServer]:
    with SshServer(private_key.load(key), password="pw", forwards=True) as server:
        yield server


def host_of(server: SshServer, key_file: Path | None = None) -> Host:
    place = Connection("127.0.0.1", server.port, "ann", key_file, become=False, connect_timeout=4.0)
    return Host("box1", place, Settings())


def door(server: SshServer, home: Path, key_file: Path | None = None, **answers: str) -> OwnSsh:
    """Return OpenSSH's door, not yet open."""
    known_hosts = home / "known_hosts"
    if not known_hosts.exists():
        known_hosts.write_text(server.known_host)
    host = host_of(server, key_file)
    return OwnSsh(host, known_hosts, Prompts(answers), resolve(host))


@contextmanager
def opened(door_: OwnSsh) -> Iterator[OwnSsh]:
    try:
        door_.connect()
        yield door_
    finally:
        door_.close()


@contextmanager
def through_ssh(server: SshServer, home: Path, key_file: Path | None = None) -> Iterator[Connected]:
    """Log in as a command does, which must choose ssh."""
    host = host_of(server, key_file)
    known_hosts = home / "known_hosts"
    assert beyond_paramiko(host, resolve(host), known_hosts)
    with connected(host, known_hosts) as box:
        assert isinstance(box.connection, OwnSsh)
        yield box


def wait_for(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_shell_and_streams_over_one_login(server: SshServer, home: Path, key: Path) -> None:
    (home / "known_hosts").write_text(server.known_host)
    (home / "config").write_text("Host *\n  IdentityAgent ~/no-agent\n")
    with through_ssh(server, home, key) as box, socket.create_server(("127.0.0.1", 0)) as far:
        sent = [Request("put", b"\x00" * 300_000, str(home / "up")), Request.run("echo a; exit 3")]
        assert [each.code for each in box.session.send(sent)] == [0, 3]
        assert (home / "up").stat().st_size == 300_000
        assert box.another_session().run("echo two").output == "two"

        def echo() -> None:
            for _ in range(2):
                near, _address = far.accept()
                with near:
                    near.sendall(near.recv(100))

        threading.Thread(target=echo, daemon=True).start()
        for _ in range(2):
            with box.connection.tunnel(far.getsockname()[1]) as port:
                client = socket.create_connection(("127.0.0.1", port), 10)
                client.sendall(b"ping")
                assert client.recv(100) == b"ping"
                client.close()
        assert box.connection.alive
        folder = box.connection._master._folder  # type: ignore[attr-defined]
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(server.users) <= 2  # ssh offers a key before it signs with it
    assert not folder.exists()
    assert not box.connection.alive


def test_a_port_that_nothing_listens_on_ends_the_stream(
    server: SshServer, home: Path, key: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with opened(door(server, home, key)) as ssh:
        stream = ssh.stream(port)
        assert stream.recv(100) == b""
        stream.close()


def test_a_key_that_only_the_agent_of_the_configuration_has(
    server: SshServer, home: Path, key: Path
) -> None:
    (home / "known_hosts").write_text(server.known_host)
    with agent_with(key) as place:
        (home / "config").write_text(f"Host *\n  IdentityAgent {place}\n")
        with through_ssh(server, home) as box:
            assert box.session.run("echo in").output == "in"


def test_an_identity_whose_private_half_is_in_the_agent(
    server: SshServer, home: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "known_hosts").write_text(server.known_host)
    shutil.copy(key.with_suffix(".pub"), home / "token.pub")
    others = [home / f"other{number}" for number in range(3)]
    for other in others:
        _keygen("-t", "ed25519", "-N", "", "-f", str(other))
    with agent_with(*others, key) as place:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        (home / "config").write_text(
            f"Host *\n  IdentitiesOnly yes\n  IdentityFile {home}/token.pub\n"
        )
        server.offered.clear()
        with through_ssh(server, home) as box:
            assert box.session.run("echo in").output == "in"
        assert len(server.offered) <= 2


@pytest.mark.parametrize("kind", ["pkcs8", "pkcs8 encrypted"])
def test_a_key_in_a_format_that_paramiko_does_not_read(
    kind: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "id"
    _keygen("-t", "rsa", "-b", "2048", "-N", "", "-f", str(path))
    known = private_key.load(path)
    passphrase = "horse" if "encrypted" in kind else ""
    _keygen("-p", "-P", "", "-N", passphrase, "-m", "PKCS8", "-f", str(path))
    monkeypatch.setenv("ONECARD_KEY_PASSPHRASE", "horse")
    with SshServer(known) as server:
        (home / "known_hosts").write_text(server.known_host)
        with through_ssh(server, home, path) as box:
            assert box.session.run("echo in").output == "in"


def test_a_passphrase_is_never_in_an_argument(server: SshServer, home: Path, key: Path) -> None:
    encrypted = home / "encrypted"
    shutil.copy(key, encrypted)
    _keygen("-p", "-P", "", "-N", "horse", "-f", str(encrypted))
    with opened(door(server, home, encrypted, ONECARD_KEY_PASSPHRASE="horse")):
        assert _arguments_with("horse") == []


def _arguments_with(text: str) -> list[str]:
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return [line for line in lines.splitlines() if text in line and "ps -eo" not in line]


def test_a_password(server: SshServer, home: Path) -> None:
    with opened(door(server, home, None, ONECARD_SSH_PASSWORD="pw")) as ssh:
        assert ssh.alive
    with (
        pytest.raises(AuthenticationError, match="box1: ssh refused the login"),
        opened(door(server, home, None, ONECARD_SSH_PASSWORD="wrong")),
    ):
        pass


def test_host_keys_have_the_same_rules(server: SshServer, home: Path, key: Path) -> None:
    known_hosts = home / "known_hosts"
    known_hosts.write_text("")
    with pytest.raises(HostKeyError, match=r"box1: unknown host key ecdsa.*invoke trust"):
        door(server, home, key).connect()
    (home / "config").write_text("Host *\n  StrictHostKeyChecking accept-new\n")
    with opened(door(server, home, key)):
        assert HOST_KEY.get_base64() in known_hosts.read_text()
    other = paramiko.ECDSAKey.generate().get_base64()
    known_hosts.write_text(server.known_host.split("AAAA")[0] + other + "\n")
    changed = door(server, home, key)
    with (
        pytest.raises(HostKeyError, match="box1: ssh: the host key has changed"),
        opened(changed),
    ):
        pass


def test_a_connection_that_is_cut(server: SshServer, home: Path, key: Path) -> None:
    with opened(door(server, home, key)) as ssh:
        pipe = ssh.pipe("cat")
        pipe.write(b"x")
        wait_for(lambda: pipe.read(0.1) == b"x")
        server.cut()
        wait_for(lambda: not ssh.alive)
        for use in (lambda: pipe.read(5), lambda: ssh.pipe("true"), lambda: ssh.stream(9)):
            with pytest.raises(UnreachableError, match="box1: the connection was cut; check"):
                use()
        assert not ssh.silent
        pipe.close()


def test_a_box_that_falls_silent(
    server: SshServer, home: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onecard.ssh.transport.watched._SHORTEST_SILENCE_TIMEOUT", 3.0)
    (home / "config").write_text("Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n")
    with opened(door(server, home, key)) as ssh:
        server.silent.set()
        wait_for(lambda: not ssh.alive)
        assert ssh.silent
        with pytest.raises(UnreachableError, match="box1: the box does not answer; check"):
            ssh.pipe("true")


def test_a_key_file_that_is_none(server: SshServer, home: Path) -> None:
    (home / "text").write_text("hello\n")
    with pytest.raises(UsageError, match="holds no private key"):
        door(server, home, home / "text").connect()
