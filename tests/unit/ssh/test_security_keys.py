"""Key files of security keys: left to OpenSSH, whatever Paramiko takes them for."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from paramiko import Message

from onecard.errors import AuthenticationError, UsageError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.doors import choose
from onecard.ssh.doors.choose import beyond_paramiko
from onecard.ssh.doors.own_ssh import OwnSsh
from onecard.ssh.openssh import askpass, private_key
from onecard.ssh.openssh.route import resolve
from onecard.ssh.prompts import Prompts

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")


def public_half(kind: str) -> bytes:
    message = Message()
    message.add_string(f"{kind}@openssh.com")
    if kind == "sk-ssh-ed25519":
        key = ed25519.Ed25519PrivateKey.generate().public_key()
        message.add_string(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    else:
        point = ec.generate_private_key(ec.SECP256R1()).public_key()
        message.add_string("nistp256")
        message.add_string(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    message.add_string("ssh:")
    return message.asbytes()


def key_file(path: Path, kind: str, passphrase: str = "") -> Path:
    """Write what ssh-keygen writes for a security key (OpenSSH's PROTOCOL.key, PROTOCOL.u2f)."""
    public, private, whole = public_half(kind), Message(), Message()
    private.add_int(7)
    private.add_int(7)
    private.add_bytes(public)
    private.add_byte(b"\x01")  # a touch is required
    for text in ("handle", "", "comment"):
        private.add_string(text)
    secret = private.asbytes()
    secret += bytes(range(1, 1 + -len(secret) % 8))
    for text in ("none", "none", ""):
        whole.add_string(text)
    whole.add_int(1)
    whole.add_string(public)
    whole.add_string(secret)
    body = base64.encodebytes(b"openssh-key-v1\0" + whole.asbytes()).decode()
    name = "OPENSSH PRIVATE KEY"
    path.write_text(f"-----BEGIN {name}-----\n{body}-----END {name}-----\n")
    path.chmod(0o600)
    if passphrase:
        words = ["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", str(path)]
        subprocess.run(words, check=True, capture_output=True)
    return path


@pytest.mark.parametrize("passphrase", ["", "horse"], ids=["plain", "encrypted"])
@pytest.mark.parametrize("kind", ["sk-ssh-ed25519", "sk-ecdsa-sha2-nistp256"])
def test_a_key_file_of_a_security_key_is_left_to_ssh(
    kind: str, passphrase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    path = key_file(tmp_path / "id", kind, passphrase)
    assert private_key.needs_openssh(path)
    assert private_key.is_encrypted(path) is bool(passphrase)
    with pytest.raises(private_key.NoKeyError, match="security key"):
        private_key.load(path, passphrase or None)
    host = Host("box1", Connection("127.0.0.1", key_file=path), Settings())
    reason = beyond_paramiko(host, resolve(host), tmp_path / "known_hosts")
    assert reason == f"the security key {path}"


def test_without_an_ssh_program_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = key_file(tmp_path / "id", "sk-ecdsa-sha2-nistp256")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=f"key_file: {path} is for a security key, which the ssh"):
        private_key.require(path, "key_file")


def test_other_files_are_none(tmp_path: Path) -> None:
    plain, text = tmp_path / "plain", tmp_path / "text"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sk-ssh", "-f", str(plain)]
    subprocess.run(words, check=True)
    # pragma: allowlist nextline secret
    text.write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----\n\xff!\n")
    for path in (plain, text, tmp_path / "missing"):
        assert not private_key.is_of_security_key(path)
    assert isinstance(private_key.load(plain), paramiko.Ed25519Key)


class _Refused:
    """A login whose security key wants the PIN 1234."""

    needs_pin = True

    def __init__(self) -> None:
        self.given: list[object] = []

    def log_in(self, secrets: dict[str, str]) -> None:
        self.given.append(secrets)
        if secrets.get(askpass.PIN) != "1234":
            raise AuthenticationError("refused")


@pytest.mark.parametrize(
    ("variable", "words"), [("", "needs its PIN"), ("99", "did not accept the PIN"), ("1234", "")]
)
def test_the_pin_of_a_security_key(variable: str, words: str, tmp_path: Path) -> None:
    host = Host("box1", Connection("127.0.0.1"), Settings())
    prompts = Prompts({"ONECARD_KEY_PASSPHRASE": variable})
    door = OwnSsh(host, tmp_path / "known_hosts", prompts, resolve(host))
    login = _Refused()
    if words:
        with pytest.raises(AuthenticationError, match=f"box1: the security key {words}"):
            door._log_in_with(door._secrets(login), login)  # type: ignore[arg-type]
    else:
        door._log_in_with(door._secrets(login), login)  # type: ignore[arg-type]
        assert login.given == [{askpass.PIN: "1234"}]


@pytest.mark.parametrize("name", ["box1", ""], ids=["a security key", "another key"])
def test_a_login_that_waits_for_a_touch_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choose, "_LONG_LOGIN", 0.01)
    said, deadline = "", time.monotonic() + (10 if name else 0.1)
    with choose._reminder_of_touch(name):
        while not said and time.monotonic() < deadline:
            said += capsys.readouterr().err
            time.sleep(0.005)
    assert said == ("box1: touch the security key if it blinks\n" if name else "")


def test_the_prompt_for_a_pin_is_answered(tmp_path: Path) -> None:
    environment = askpass.ask_environment(tmp_path, {askpass.PIN: "1234"})
    prompt = "Enter PIN for ED25519-SK key /k/id: "
    done = subprocess.run(
        [environment["SSH_ASKPASS"], prompt], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "1234\n"
