"""Connections that persist for the next command: shared, closed, and never in the way."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from onecard.cli import targets
from onecard.commands import hosts as commands
from onecard.errors import HostKeyError, UsageError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.doors.persistent import end_logins, persistent_login
from onecard.ssh.login import connected
from onecard.ssh.openssh import private_key
from onecard.ssh.openssh.control import Control
from onecard.ssh.openssh.route import resolve
from tests.support.ssh_server import SshServer

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the user's cache folder, in a place that leaves room for a socket's name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "config").touch()
    monkeypatch.setenv("ONECARD_SSH_CONFIG", str(tmp_path / "config"))
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_CACHE_HOME", short)
        yield Path(short)
        monkeypatch.setenv("XDG_CACHE_HOME", short)
        end_logins()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


@pytest.fixture
def server(key: Path, tmp_path: Path) -> Iterator[SshServer]:
    with SshServer(private_key.load(key)) as server:
        (tmp_path / "known_hosts").write_text(server.known_host)
        yield server


@pytest.fixture
def host(server: SshServer, key: Path) -> Host:
    place = Connection(
        "127.0.0.1", server.port, "ann", key, become=False, connect_timeout=4.0,
        keep_connection="5m",
    )  # fmt: skip
    return Host("box1", place, Settings())


def run(host: Host, known_hosts: Path) -> tuple[str, bool]:
    """Run a command as a whole invocation does; return its output, and whether it logged in."""
    with connected(host, known_hosts) as box:
        return box.session.run("echo done").output, not box.connection.reused


def login_of(host: Host, known_hosts: Path) -> Control:
    return persistent_login(host, resolve(host), known_hosts)


def master_of(login: Control) -> int:
    """Return the process id of a login's ssh."""
    said = subprocess.run(login.argv(["-O", "check"]), capture_output=True, text=True).stderr
    return int(said.partition("pid=")[2].partition(")")[0])


def test_the_next_command_uses_the_login_of_the_last(
    host: Host, server: SshServer, tmp_path: Path, cache: Path
) -> None:
    known_hosts = tmp_path / "known_hosts"
    assert run(host, known_hosts) == ("done", True)
    logins = len(server.users)
    assert run(host, known_hosts) == ("done", False)
    assert len(server.users) == logins
    place = login_of(host, known_hosts).socket
    assert place.stat().st_mode & 0o077 == 0
    assert (cache / "onecard" / "ssh").stat().st_mode & 0o777 == 0o700
    assert end_logins() == 1
    assert end_logins() == 0
    assert run(host, known_hosts) == ("done", True)


def test_the_next_command_waits_for_channel_command_and_answer(
    host: Host, server: SshServer, tmp_path: Path
) -> None:
    known_hosts = tmp_path / "known_hosts"
    run(host, known_hosts)
    server.waited.clear()
    with connected(host, known_hosts) as box:
        assert box.session.run("echo done").output == "done"
        assert box.connection.reused
        assert box.session.round_trips == 1
    assert server.waited == ["session", "exec"]


def test_a_password_is_needed_for_the_first_command_alone(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_hosts = tmp_path / "known_hosts"
    with SshServer(password="pw") as server:
        known_hosts.write_text(server.known_host)
        place = replace(host.connection, port=server.port, key_file=None)
        alone = replace(host, connection=place)
        monkeypatch.setenv("ONECARD_SSH_PASSWORD", "pw")
        assert run(alone, known_hosts) == ("done", True)
        monkeypatch.delenv("ONECARD_SSH_PASSWORD")
        assert run(alone, known_hosts) == ("done", False)


def test_several_commands_at_once_log_in_once(host: Host, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: run(host, tmp_path / "known_hosts"), range(3)))
    assert sorted(found) == [("done", False), ("done", False), ("done", True)]


def refuses(place: Path) -> bool:
    """Return whether a socket is left over, with nobody behind it."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(place)) == errno.ECONNREFUSED


def test_a_login_that_was_killed_is_replaced(host: Host, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    run(host, known_hosts)
    login = login_of(host, known_hosts)
    os.kill(master_of(login), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while not refuses(login.socket):  # a process may take a while to die
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert run(host, known_hosts) == ("done", True)
    assert run(host, known_hosts) == ("done", False)


def test_a_login_whose_connection_was_cut_is_replaced(
    host: Host, server: SshServer, tmp_path: Path
) -> None:
    known_hosts = tmp_path / "known_hosts"
    run(host, known_hosts)
    server.cut()
    assert run(host, known_hosts) == ("done", True)


def test_a_login_that_answers_nothing_useful_is_passed_by(host: Host, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(login_of(host, known_hosts).socket))
        other.listen()

        def refuse() -> None:
            while True:
                try:
                    other.accept()[0].close()
                except OSError:
                    return

        with ThreadPoolExecutor(1) as pool:
            pool.submit(refuse)
            assert run(host, known_hosts) == ("done", True)
            other.shutdown(socket.SHUT_RDWR)


def test_a_changed_host_key_is_refused_while_the_login_lives(
    host: Host, server: SshServer, tmp_path: Path
) -> None:
    known_hosts = tmp_path / "known_hosts"
    run(host, known_hosts)
    login = login_of(host, known_hosts)
    other = paramiko.ECDSAKey.generate().get_base64()
    known_hosts.write_text(server.known_host.split("AAAA")[0] + other + "\n")
    with pytest.raises(HostKeyError, match="host key has changed"):
        run(host, known_hosts)
    known_hosts.write_text(f"@revoked {server.known_host}")
    with pytest.raises(HostKeyError):
        run(host, known_hosts)
    assert login.alive


def test_another_account_is_another_login(host: Host, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    other = replace(host, connection=replace(host.connection, user="bob"))
    assert login_of(host, known_hosts) != login_of(other, known_hosts)
    assert login_of(host, known_hosts) == login_of(host, known_hosts)


def test_a_folder_that_others_can_enter_is_refused(
    host: Host, server: SshServer, tmp_path: Path, cache: Path
) -> None:
    folder = cache / "onecard" / "ssh"
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o755)
    with pytest.raises(UsageError, match=r"keep_connection: onecard/ssh in your cache folder"):
        run(host, tmp_path / "known_hosts")
    folder.parent.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, 12345, 12345)
        with pytest.raises(UsageError, match="not a folder of your own"):
            run(host, tmp_path / "known_hosts")
        os.chown(folder, 0, 0)
    assert server.users == []


def test_a_path_that_is_too_long_for_a_socket(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("x" * 60)))
    with pytest.raises(UsageError, match="too long for a socket; set XDG_CACHE_HOME"):
        run(host, tmp_path / "known_hosts")


def test_the_command_closes_them(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    place = host.connection
    keys = {
        "ansible_host": place.address, "ansible_port": place.port, "ansible_user": place.user,
        "key_file": str(place.key_file), "keep_connection": "5m", "become": False,
        "connect_timeout": 4.0,
    }  # fmt: skip
    hosts = {"box1": keys, "box2": {**keys, "ansible_user": "bob"}}
    (inventory / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    shutil.copy(tmp_path / "known_hosts", inventory / "known_hosts")
    monkeypatch.setenv("ONECARD_INVENTORY", str(inventory))
    for each in targets.chosen_hosts("all"):
        run(each, inventory / "known_hosts")
    assert commands.close("box2", as_json=False) == 0
    assert commands.close("", as_json=True) == 0
    said = capsys.readouterr().out
    assert said.startswith("closed 1 connection\n")
    assert json.loads(said.partition("\n")[2]) == {"closed": 1}
