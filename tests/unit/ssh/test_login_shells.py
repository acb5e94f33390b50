"""Login shells of every kind: sh starts behind all that run commands, and the others are named."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest

from onecard.errors import UnreachableError
from onecard.ssh.boot import login_command
from onecard.ssh.shell import Request
from tests.support.password_login import logged_in
from tests.support.ssh_server import SshServer

ODD = "echo 'a b' \"$0\" \\\\ `echo x` !! 100% ; exit 3"


@pytest.fixture(autouse=True)
def _login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONECARD_SSH_PASSWORD", "pw")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("onecard.ssh.shell._SH_STARTS", 1.0)
    monkeypatch.setattr("onecard.ssh.shell._LONGEST_LOGIN", 5.0)


def program(path: Path, text: str) -> str:
    # The server confirms the command before its channel may close, as a real one does.
    path.write_text(f"#!/bin/sh\nsleep 0.2\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_login_command_fits_into_the_first_segments() -> None:
    """TCP sends ten segments before it waits for an answer (RFC 6928), and more is on its way."""
    assert len(login_command("0" * 32)) < 7 * 1460


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "tcsh", "csh", "ksh"])
def test_a_shell_of_another_language(shell: str, tmp_path: Path) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    with SshServer(password="pw", shell=found) as server, logged_in(server, tmp_path) as box:
        result = box.session.run(ODD)
        assert (result.output, result.code) == ("a b sh \\ x !! 100%", 3)


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "tcsh", "csh", "ksh"])
def test_first_requests_behind_every_shell(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    first = (Request.run(f"{ODD}\n# {secrets.token_hex(20_000)}"),)
    with (
        SshServer(password="pw", shell=found) as server,
        logged_in(server, tmp_path, first) as box,
    ):
        (result,) = box.session.send(first)
        assert (result.output, result.code) == ("a b sh \\ x !! 100%", 3)


@pytest.mark.parametrize("other", ["sh", "bash", "zsh", "tcsh"])
def test_a_start_up_file_that_runs_another_shell(other: str, tmp_path: Path) -> None:
    if shutil.which(other) is None:
        pytest.skip(f"no {other} here")
    shell = program(tmp_path / "shell", f"echo a message of the day; exec {other}")
    first = (Request.run("echo out; exit 4"),)
    with SshServer(password="pw", shell=shell) as server, logged_in(server, tmp_path, first) as box:
        assert box.session.send(first)[0].output == "out"
        assert box.session.run("echo again").output == "again"


def test_a_start_up_file_that_reads_a_line(tmp_path: Path) -> None:
    shell = program(tmp_path / "shell", 'echo Press enter; read -r _; exec sh "$@"')
    with SshServer(password="pw", shell=shell) as server, logged_in(server, tmp_path) as box:
        assert box.session.run("echo out; exit 4").output == "out"


def test_a_start_up_file_that_is_slow(tmp_path: Path) -> None:
    shell = program(tmp_path / "shell", 'sleep 1.5; exec sh "$@"')
    with SshServer(password="pw", shell=shell) as server, logged_in(server, tmp_path) as box:
        assert box.session.run("echo out").output == "out"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "echo This account is currently not available.; exit 1",
            "the account's shell runs no commands, and printed: This account is currently not",
        ),
        ("echo rrsync: no command; exit 1", "did not start sh, and printed: rrsync: no command: a"),
        ("exit 0", "the login did not start sh: a forced command stands in its place"),
        (
            "while echo 1 start, 2 stop; read -r answer; do :; done",
            "did not start sh, and waits, and printed: 1 start, 2 stop: it has a menu",
        ),
        (
            'echo "Error: Your SSH client doesn\'t support PTY"; exit 1',
            "takes the login but runs no commands, only a terminal",
        ),
    ],
    ids=["nologin", "forced command", "exit", "menu", "a proxy"],
)
def test_a_login_without_a_shell_is_named(text: str, words: str, tmp_path: Path) -> None:
    shell = program(tmp_path / "shell", text)
    with (
        SshServer(password="pw", shell=shell) as server,
        pytest.raises(UnreachableError) as caught,
        logged_in(server, tmp_path),
    ):
        pass
    assert caught.value.message.startswith("box1: ")
    assert words in caught.value.message
    assert "\n" not in caught.value.message
