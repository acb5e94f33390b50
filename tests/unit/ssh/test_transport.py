"""Boxes that do not answer, fall silent or are gone: how soon that is noticed, and what is said."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from onecard.errors import HostKeyError, UnreachableError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.connection import SshConnection
from onecard.ssh.prompts import Prompts
from onecard.ssh.shell import Session
from tests.support.ssh_server import SshServer

TIMEOUT = 3.0  # s; the default is 15


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("onecard.ssh.transport.watched._SHORTEST_SILENCE_TIMEOUT", TIMEOUT)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def connection_to(port: int, folder: Path, known_host: str = "") -> SshConnection:
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(known_host)
    connection = Connection("127.0.0.1", port, "ann", connect_timeout=TIMEOUT)
    answers = Prompts({"ONECARD_SSH_PASSWORD": "pw"})
    return SshConnection(Host("box1", connection, Settings()), known_hosts, answers)


@pytest.fixture
def server() -> Iterator[SshServer]:
    with SshServer(password="pw") as server:
        yield server


@pytest.fixture
def connection(server: SshServer, tmp_path: Path) -> Iterator[SshConnection]:
    connection = connection_to(server.port, tmp_path, server.known_host)
    connection.connect()
    yield connection
    connection.close()


def full(stack: ExitStack) -> int:
    """Return a port where no connection is accepted: what is sent there is dropped."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    port: int = listener.getsockname()[1]
    return port


def says(stack: ExitStack, words: bytes) -> int:
    """Return a port where each connection is accepted and gets these words, and no more."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    accepted: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            accepted.append(stack.enter_context(near))
            near.sendall(words)

    threading.Thread(target=serve, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("full", "no answer within connect_timeout: the box is down, or a firewall stands between"),
        ("mute", "takes connections, but the box does not answer within 3 s"),
        ("banner", "takes connections, but the box does not answer within 3 s"),
        ("http", "check address and port"),
    ],
)
def test_a_box_that_does_not_answer(kind: str, words: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        texts = {"mute": b"", "banner": b"SSH-2.0-x\r\n", "http": b"HTTP/1.1 400 Bad\r\n\r\n" * 200}
        port = full(stack) if kind == "full" else says(stack, texts[kind])
        started = time.monotonic()
        with pytest.raises(UnreachableError, match=words) as caught:
            connection_to(port, tmp_path).connect()
        assert time.monotonic() - started < TIMEOUT + 15
        assert caught.value.message.startswith("box1: ")


def test_a_box_that_falls_silent_while_it_logs_us_in(
    server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "check_auth_password", lambda *_: server.silent.set() or 0)
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="the box does not answer within 3 s"):
        connection_to(server.port, tmp_path, server.known_host).connect()
    assert time.monotonic() - started < TIMEOUT + 15


def test_a_network_that_is_gone_in_the_middle_of_a_command(
    connection: SshConnection, server: SshServer
) -> None:
    session = Session(connection.pipe, become=False)
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        server.silent.set()

    started = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        session.run("echo begun; sleep 60", on_line=on_line)
    assert 1 < time.monotonic() - started < TIMEOUT + 15
    assert lines == ["begun"]
    assert "box1: the box does not answer, for 3 s now (connect_timeout)" in caught.value.message
    assert "run this again" in caught.value.message
    assert not connection.alive
    assert connection.silent


@pytest.mark.parametrize("use", ["pipe", "stream", "upload"])
def test_a_network_that_is_gone_whatever_comes_next(
    use: str, connection: SshConnection, server: SshServer
) -> None:
    pipe = connection.pipe("cat >/dev/null")
    server.silent.set()
    uses = {
        "pipe": lambda: connection.pipe("true"),
        "stream": lambda: connection.stream(9),
        "upload": lambda: pipe.write(b"x" * (64 << 20)),
    }
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="box1: the box does not answer"):
        uses[use]()
    assert time.monotonic() - started < TIMEOUT + 15


def test_a_command_that_is_silent_is_no_silent_box(connection: SshConnection) -> None:
    session = Session(connection.pipe, become=False)
    assert session.run(f"sleep {2 * TIMEOUT}; echo done").output == "done"
    assert connection.alive


def test_a_slow_upload_is_no_silent_box(connection: SshConnection, tmp_path: Path) -> None:
    """The box takes nothing for longer than a read waits, and is probed in the meantime."""
    pipe = connection.pipe(f"sleep {TIMEOUT + 2}; wc -c")
    assert pipe.read(0.1) is None
    pipe.write(b"x" * (8 << 20))
    pipe._channel.shutdown_write()
    while (message := pipe.read(1.0)) is None:
        pass
    assert message.strip() == str(8 << 20).encode()


@pytest.mark.parametrize("moment", ["reading", "writing", "opening"])
def test_a_connection_that_is_cut(
    moment: str, connection: SshConnection, server: SshServer
) -> None:
    session = Session(connection.pipe, become=False)
    pipe = connection.pipe("cat >/dev/null")
    if moment != "reading":
        server.cut()
        deadline = time.monotonic() + 10
        while connection.alive and time.monotonic() < deadline:
            time.sleep(0.01)
    uses = {
        "reading": lambda: session.run("echo begun; sleep 60", on_line=lambda _: server.cut()),
        "writing": lambda: pipe.write(b"x"),
        "opening": lambda: connection.pipe("true"),
    }
    with pytest.raises(UnreachableError) as caught:
        uses[moment]()
    assert caught.value.message.startswith("box1: the connection was cut; check that the box is up")
    assert "run this again" in caught.value.message


def test_a_prompted_person_may_take_their_time(
    server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The box gets nothing meanwhile, and sends nothing: that is not a silence of its own."""

    def slowly(*_: object) -> bool:
        time.sleep(TIMEOUT + 1)
        return False

    monkeypatch.setattr(Prompts, "confirm", slowly)
    with pytest.raises(HostKeyError, match="unknown host key"):
        connection_to(server.port, tmp_path).connect()
