"""Logging in with real key files, encrypted ones and files that are none, to a real SSH server."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from onecard.errors import AuthenticationError, UsageError
from onecard.inventory.host import Host
from onecard.inventory.load import load
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.connection import SshConnection
from onecard.ssh.openssh import private_key
from onecard.ssh.prompts import Prompts
from tests.support.ssh_server import SshServer

KINDS = ("rsa", "ecdsa", "ed25519")
SETTING = "inventory/hosts.yml: all.hosts.box1.ansible_ssh_private_key_file"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key of each kind; with `_enc`, the same encrypted with `horse`; with `_pem`, in PEM."""
    folder = tmp_path_factory.mktemp("keys")
    for kind in KINDS:
        _keygen("-t", kind, "-N", "", "-f", str(folder / kind))
        shutil.copy(folder / kind, folder / f"{kind}_enc")
        _keygen("-p", "-P", "", "-N", "horse", "-f", str(folder / f"{kind}_enc"))
    shutil.copy(folder / "rsa", folder / "rsa_pem")
    _keygen("-p", "-P", "", "-N", "horse", "-m", "PEM", "-f", str(folder / "rsa_pem"))
    return folder


def _keygen(*words: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *words], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without keys, and no agent."""
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.fixture
def server(keys: Path) -> Iterator[SshServer]:
    with SshServer(*(private_key.load(keys / kind) for kind in KINDS), password="pw") as server:
        yield server


def log_in(server: SshServer, home: Path, key_file: Path | None, **environment: str) -> None:
    known_hosts = home / "known_hosts"
    known_hosts.write_text(server.known_host)
    place: dict[str, Any] = {"key_file": key_file, "key_file_setting": SETTING}
    connection = Connection("127.0.0.1", server.port, "ann", connect_timeout=10.0, **place)
    ssh = SshConnection(Host("box1", connection, Settings()), known_hosts, Prompts(environment))
    try:
        ssh.connect()
        assert ssh.alive
        assert "passphrase" not in ssh._connection.connect_kwargs
        assert "password" not in ssh._connection.connect_kwargs
    finally:
        ssh.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_file_logs_in_and_only_it_is_offered(
    kind: str, server: SshServer, keys: Path, home: Path
) -> None:
    log_in(server, home, keys / kind)
    assert {name.split("-")[0] for name in server.offered} == {
        private_key.load(keys / kind).get_name().split("-")[0]
    }


@pytest.mark.parametrize("name", ["rsa_enc", "ecdsa_enc", "ed25519_enc", "rsa_pem"])
def test_an_encrypted_key(name: str, server: SshServer, keys: Path, home: Path) -> None:
    path = keys / name
    log_in(server, home, path, ONECARD_KEY_PASSPHRASE="horse")
    with pytest.raises(AuthenticationError) as wrong:
        log_in(server, home, path, ONECARD_KEY_PASSPHRASE="cow")
    assert f"box1: wrong passphrase for {path}:" in wrong.value.message
    assert "cow" not in wrong.value.message
    with pytest.raises(AuthenticationError) as silent:
        log_in(server, home, path)
    assert f"the private key {path} is encrypted, and no agent offers it" in silent.value.message
    assert f'eval "$(ssh-agent)" && ssh-add {path}, or set ONECARD_KEY_PASSPHRASE' in (
        silent.value.message
    )
    assert "SSH_PASSWORD" not in silent.value.message


def test_an_encrypted_key_in_the_agent_wants_no_passphrase(
    server: SshServer, keys: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = home / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        deadline = time.monotonic() + 20
        while not place.exists() and agent.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", keys / "rsa"], check=True, capture_output=True)
        log_in(server, home, keys / "rsa_enc")
        with pytest.raises(AuthenticationError, match=r"no agent offers it: ssh-add /"):
            log_in(_strangers(server), home, keys / "ed25519_enc")
    finally:
        agent.terminate()
        agent.wait()


def _strangers(server: SshServer) -> SshServer:
    """Have the server know nobody any more."""
    server._blobs.clear()
    return server


def test_an_encrypted_key_of_ssh_itself(server: SshServer, keys: Path, home: Path) -> None:
    default = home / ".ssh" / "id_ed25519"
    shutil.copy(keys / "ed25519_enc", default)
    log_in(server, home, None, ONECARD_KEY_PASSPHRASE="horse")
    with pytest.raises(AuthenticationError, match=f"wrong passphrase for {default}:"):
        log_in(server, home, None, ONECARD_KEY_PASSPHRASE="cow")
    with pytest.raises(AuthenticationError, match=f"the private key {default} is encrypted"):
        log_in(server, home, None)
    log_in(server, home, None, ONECARD_SSH_PASSWORD="pw")


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_refused_is_not_called_invalid(
    kind: str, server: SshServer, keys: Path, home: Path
) -> None:
    strangers = _strangers(server)
    with pytest.raises(AuthenticationError, match="box1: the box refused the login"):
        log_in(strangers, home, keys / kind)
    log_in(strangers, home, keys / kind, ONECARD_SSH_PASSWORD="pw")
    with pytest.raises(AuthenticationError, match="box1: the box refused the login"):
        log_in(strangers, home, keys / kind, ONECARD_SSH_PASSWORD="wrong")


def test_an_unlocked_key_that_is_refused_leaves_the_password(
    server: SshServer, keys: Path, home: Path
) -> None:
    answers = {"ONECARD_KEY_PASSPHRASE": "horse", "ONECARD_SSH_PASSWORD": "pw"}
    log_in(_strangers(server), home, keys / "ecdsa_enc", **answers)


def test_an_identity_file_of_ssh_config_need_not_be_there(
    server: SshServer, keys: Path, home: Path
) -> None:
    (home / ".ssh" / "config").write_text(
        f"Host *\n  IdentityFile {home}/missing\n  IdentityFile {keys}/ed25519\n"
    )
    log_in(server, home, None)


FILES = [
    ("text", b"hello\n", "holds no private key; name a file that ssh-keygen made"),
    ("empty", b"", "holds no private key"),
    ("binary", bytes(range(256)), "holds no private key"),
    ("id.pub", None, "is a public key; name the private one, such as"),
    ("cut", None, "holds a private key that is damaged, or in another format"),
]


@pytest.mark.parametrize(("name", "content", "words"), FILES, ids=[case[0] for case in FILES])
def test_a_key_file_that_is_none(
    name: str, content: bytes | None, words: str, server: SshServer, keys: Path, home: Path
) -> None:
    path = home / name
    if name == "id.pub":
        content = (keys / "ed25519.pub").read_bytes()
    if name == "cut":
        content = (keys / "rsa").read_bytes()[:200]
    path.write_bytes(content or b"")
    with pytest.raises(UsageError) as caught:
        log_in(server, home, path)
    assert caught.value.message.startswith(f"box1: {SETTING}: {path} {words}")
    assert server.offered == []


def test_a_key_file_that_cannot_be_read(server: SshServer, home: Path) -> None:
    (home / "folder").mkdir()
    with pytest.raises(UsageError, match=f"{SETTING}: {home}/folder cannot be read: Is a dir"):
        log_in(server, home, home / "folder")
    with pytest.raises(UsageError, match=f"{SETTING}: {home}/none does not exist; name a private"):
        log_in(server, home, home / "none")


def test_the_setting_is_named_as_it_is_written(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    (inventory / "host_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text(
        "all:\n  vars: {key_file: a}\n  hosts:\n"
        "    box1: {ansible_ssh_private_key_file: b}\n    box2:\n    box3: {key_file: c}\n"
    )
    (inventory / "host_vars" / "box3.yml").write_text("key_file: d\n")
    hosts = load(inventory).hosts
    assert {name: host.connection.key_file_setting for name, host in hosts.items()} == {
        "box1": SETTING.replace(": all", ": line 4: all"),
        "box2": "inventory/hosts.yml: line 2: all.vars.key_file",
        "box3": "inventory/host_vars/box3.yml: line 1: key_file",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_key_file_of_somebody_else(server: SshServer, keys: Path, home: Path) -> None:
    path = home / "id"
    shutil.copy(keys / "ed25519", path)
    path.chmod(0)
    with pytest.raises(UsageError, match=f"{path} cannot be read: Permission denied"):
        log_in(server, home, path)


def test_a_certificate_beside_the_key_that_is_none(keys: Path, home: Path) -> None:
    shutil.copy(keys / "ed25519", home / "id")
    (home / "id-cert.pub").write_text("hello\n")
    with pytest.raises(UsageError, match=r"has a certificate that cannot be read: .*id-cert\.pub"):
        private_key.require(home / "id", SETTING)
    (home / "id-cert.pub").unlink()
    assert isinstance(private_key.load(home / "id"), paramiko.Ed25519Key)
