"""Every exception of the SSH libraries has a place in the project's error tree."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fabric.exceptions
import invoke
import invoke.exceptions
import paramiko
import paramiko.ssh_exception
import pytest

from onecard.errors import (
    AuthenticationError,
    CommandError,
    HostKeyError,
    OnecardError,
    UnreachableError,
    UsageError,
)
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.connection import SshConnection
from onecard.ssh.errors import FOREIGN, translated
from onecard.ssh.host_keys import HostKey, UnknownHostKey, save_host_key
from onecard.ssh.prompts import Prompts
from onecard.ssh.trust import known_host_keys, shown_host_key

# pragma: allowlist nextline secret
ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIGEga2V5IG1hZGUgdXAgZm9yIHRlc3RzIG9mIHdpcmUu"
# pragma: allowlist nextline secret
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIHVzZWQgYnkgdGVzdHMgb2YgdGhlIHdpcmUgb25seSEh"


def key(encoded: str = ED25519) -> paramiko.PKey:
    return paramiko.Ed25519Key(data=paramiko.message.Message(_bytes(encoded)).asbytes())


def _bytes(encoded: str) -> bytes:
    import base64

    return base64.b64decode(encoded)


RESULT = invoke.Result(command="false", exited=1)
ssh, local = paramiko.ssh_exception, invoke.exceptions

# One of each class that these modules define, and the class of our own that it becomes.
CASES: list[tuple[Exception, type[OnecardError]]] = [
    (ssh.SSHException("Error reading\nSSH protocol banner"), UnreachableError),
    (ssh.AuthenticationException("Authentication failed."), AuthenticationError),
    (ssh.PasswordRequiredException("private key file is encrypted"), AuthenticationError),
    (ssh.BadAuthenticationType("Bad authentication type", ["publickey"]), AuthenticationError),
    (ssh.PartialAuthentication(["password"]), AuthenticationError),
    (ssh.UnableToAuthenticate("nothing worked"), AuthenticationError),
    (ssh.ChannelException(2, "Connect failed"), UnreachableError),
    (ssh.BadHostKeyException("box", key(), key(OTHER)), HostKeyError),
    (ssh.IncompatiblePeer("no acceptable kex algorithm"), UnreachableError),
    (ssh.ProxyCommandFailure("nc %h %p", "broken\npipe"), UnreachableError),
    (
        ssh.NoValidConnectionsError({("203.0.113.9", 22): ConnectionRefusedError(111, "refused")}),
        UnreachableError,
    ),
    (ssh.CouldNotCanonicalize("box"), UsageError),
    (ssh.ConfigParseError("Unparsable line x"), UsageError),
    (ssh.MessageOrderError("strict-kex"), UnreachableError),
    (local.CollectionNotFound("tasks", "/"), OnecardError),
    (local.Failure(RESULT), CommandError),
    (local.UnexpectedExit(RESULT), CommandError),
    (local.CommandTimedOut(RESULT, timeout=5), CommandError),
    (local.AuthFailure(RESULT, "password: "), CommandError),
    (local.ParseError("no idea"), OnecardError),
    (local.Exit("gone", 3), OnecardError),
    (local.PlatformError("no pty"), OnecardError),
    (local.AmbiguousEnvVar("A_B"), OnecardError),
    (local.UncastableEnvVar("A_B"), OnecardError),
    (local.UnknownFileType("x.ini"), OnecardError),
    (local.UnpicklableConfigMember("a module"), OnecardError),
    (local.ThreadException([]), OnecardError),
    (local.WatcherError("what?"), CommandError),
    (local.ResponseNotAccepted("no"), CommandError),
    (local.SubprocessPipeError("broken"), OnecardError),
    (fabric.exceptions.NothingToDo("no hosts"), OnecardError),
    (fabric.exceptions.GroupException({}), OnecardError),
    (fabric.exceptions.InvalidV1Env("env"), OnecardError),
]

SOCKETS: list[tuple[Exception, type[OnecardError], str]] = [
    (socket.gaierror(-2, "Name or service not known"), UnreachableError, "does not resolve"),
    (socket.herror(1, "Unknown host"), UnreachableError, "Unknown host"),
    (TimeoutError("timed out"), UnreachableError, "no answer within connect_timeout"),
    (socket.timeout(), UnreachableError, "no answer within connect_timeout"),  # noqa: UP041
    (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), UnreachableError, "refused"),
    (ConnectionResetError(errno.ECONNRESET, "reset by peer"), UnreachableError, "reset"),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), UnreachableError, "Broken pipe"),
    (OSError(errno.EHOSTUNREACH, "No route to host"), UnreachableError, "No route to host"),
    (OSError("Socket is closed"), UnreachableError, "Socket is closed"),
    (EOFError(), UnreachableError, "EOFError"),
]


def defined() -> Iterator[type]:
    """Every exception class of the modules, also of versions still to come."""
    for module in (ssh, local, fabric.exceptions):
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, Exception):
                yield found


def raised(error: Exception, name: str = "a100-1") -> OnecardError:
    with pytest.raises(OnecardError) as caught, translated(name):
        raise error
    return caught.value


def test_the_table_has_every_class_of_the_libraries() -> None:
    assert {found.__name__ for found in defined()} == {type(error).__name__ for error, _ in CASES}


@pytest.mark.parametrize("found", list(defined()), ids=lambda found: found.__name__)
def test_every_class_of_the_libraries_is_caught(found: type) -> None:
    assert issubclass(found, FOREIGN)


@pytest.mark.parametrize(
    ("error", "ours", "words"),
    [*((error, ours, "") for error, ours in CASES), *SOCKETS],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_one_line_of_the_right_class(
    error: Exception, ours: type[OnecardError], words: str
) -> None:
    translation = raised(error)
    assert type(translation) is ours
    assert translation.__cause__ is error
    assert translation.message.startswith("a100-1: ")
    assert len(translation.message) > len("a100-1: ")
    assert "\n" not in translation.message
    assert words in translation.message


def test_the_projects_own_errors_pass_as_they_are() -> None:
    error = UsageError("ours")
    assert raised(error) is error


def test_a_mistake_in_our_own_code_is_not_dressed_up() -> None:
    with pytest.raises(KeyError), translated("a100-1"):
        raise KeyError("x")


def test_a_changed_host_key_shows_both_and_the_way_out() -> None:
    shown, expected = key(), key(OTHER)
    message = raised(ssh.BadHostKeyException("203.0.113.9", shown, expected)).message
    assert f"expected ssh-ed25519 {expected.fingerprint}" in message  # type: ignore[attr-defined]
    assert f"shows ssh-ed25519 {shown.fingerprint}" in message  # type: ignore[attr-defined]
    assert "invoke trust --host a100-1 --replace" in message


def test_an_unknown_host_key_shows_its_fingerprint() -> None:
    error = raised(UnknownHostKey(HostKey("203.0.113.9", key())))
    assert type(error) is HostKeyError
    assert "SHA256:" in error.message
    assert "invoke trust" in error.message


class TestKnownHosts:
    OTHERS = "# a remark\n203.0.113.1 ssh-ed25519 " + OTHER + "\n"

    def test_remember_retains_the_other_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "known_hosts"
        path.write_text(self.OTHERS)
        save_host_key(path, HostKey("203.0.113.9", key()))
        assert path.read_text() == f"{self.OTHERS}203.0.113.9 ssh-ed25519 {ED25519}\n"

    def test_remember_replaces_the_hosts_own_line(self, tmp_path: Path) -> None:
        path = tmp_path / "known_hosts"
        path.write_text(f"203.0.113.9 ssh-ed25519 {OTHER}\n{self.OTHERS}")
        save_host_key(path, HostKey("203.0.113.9", key()))
        assert path.read_text() == f"{self.OTHERS}203.0.113.9 ssh-ed25519 {ED25519}\n"

    def test_remember_makes_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "known_hosts"
        save_host_key(path, HostKey("[203.0.113.9]:2222", key()))
        assert path.read_text() == f"[203.0.113.9]:2222 ssh-ed25519 {ED25519}\n"

    @pytest.mark.parametrize(("port", "name"), [(22, "192.0.2.7"), (2222, "[192.0.2.7]:2222")])
    def test_what_was_remembered_is_known(self, tmp_path: Path, port: int, name: str) -> None:
        path = tmp_path / "known_hosts"
        box = host(address="192.0.2.7", port=port)
        assert known_host_keys(box, path) == []
        save_host_key(path, HostKey(name, key()))
        (found,) = known_host_keys(box, path)
        assert (found.name, found.key.get_base64()) == (name, ED25519)


def host(**connection: Any) -> Host:
    return Host("a100-1", Connection(**connection), Settings())


def test_a_key_file_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "id"
    box, known_hosts = host(address="192.0.2.7", key_file=missing), tmp_path / "known_hosts"
    assert known_host_keys(box, known_hosts) == []  # a list of the hosts has no use for it
    for connect in (
        SshConnection(box, known_hosts, Prompts()).connect,
        lambda: shown_host_key(box, known_hosts),
    ):
        with pytest.raises(UsageError, match=f"a100-1: key_file: {missing} does not exist"):
            connect()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"192.0.2.7 ssh-ed25519 AAAAgarbled\n",
            "not a host key: 192.0.2.7 ssh-ed25519 AAAAgarbled;",
        ),
        (b"\xff\xfe\n", "cannot be used: 'utf-8' codec"),
        (b"192.0.2.7 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAABGFiY2Q=\n", "cannot be used: "),
        (None, "cannot be used: Is a directory"),
    ],
)
@pytest.mark.parametrize("whose", ["project", "user"])
def test_host_keys_that_cannot_be_read_are_no_trouble_of_the_network(
    whose: str, content: bytes | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    file, other = tmp_path / "project", tmp_path / "other"
    if whose == "user":
        file = tmp_path / ".ssh" / "known_hosts"
    file.mkdir() if content is None else file.write_bytes(content)
    known_hosts = file if whose == "project" else other
    box = host(address="127.0.0.1", port=9, connect_timeout=5.0)
    for use in (
        SshConnection(box, known_hosts, Prompts()).connect,
        lambda: known_host_keys(box, known_hosts),
    ):
        with pytest.raises(UsageError) as caught:
            use()
        assert caught.value.message.startswith(f"{file}: {words}")
        assert "\n" not in caught.value.message
    if whose == "project" and content is None:
        with pytest.raises(UsageError, match="Is a directory"):
            save_host_key(known_hosts, HostKey("192.0.2.7", key()))
