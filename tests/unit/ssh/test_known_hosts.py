"""known_hosts files are read as OpenSSH reads them: `ssh-keygen -F` is the judge."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import paramiko
import pytest

from onecard.errors import HostKeyError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.doors.choose import beyond_paramiko
from onecard.ssh.host_keys import host_key_book
from onecard.ssh.login import connected
from onecard.ssh.openssh.known_hosts import about, read_entries
from onecard.ssh.openssh.route import resolve
from onecard.ssh.trust import known_host_keys, shown_host_key
from tests.support.ssh_server import HOST_KEY, SshServer

CASE = Path(__file__).parents[1] / "fixtures" / "ssh" / "d40-known_hosts-cert-authority.txt"
KEY = f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}"
OTHER = paramiko.ECDSAKey.generate()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("ONECARD_SSH_PASSWORD", "pw")
    return tmp_path


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
@pytest.mark.parametrize("hashed", [False, True])
def test_the_same_lines_as_ssh_keygen_finds(hashed: bool, home: Path) -> None:
    path = home / "known_hosts"
    names = [
        "box.example.com", "192.0.2.7", "[192.0.2.7]:2222", "a,b,c", "*.lab", "gpu?,!gpu9", "GPU-A",
        "[box.example.com]:22", "2001:db8::1", "[2001:db8::1]:2200", "[*]:40022", "x[1]",
    ]  # fmt: skip
    path.write_text("# a remark\n\n" + "".join(f"{each} {KEY} remark\n" for each in names))
    if hashed:  # patterns stay as they are
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], capture_output=True, check=True)
    for asked in [*names, "b", "n1.lab", "gpu1", "gpu9", "gpu10", "gpu-a", "[h]:40022", "nobody"]:
        done = subprocess.run(
            ["ssh-keygen", "-F", asked.lower(), "-f", path], capture_output=True, text=True
        )
        expected = [line for line in done.stdout.splitlines() if not line.startswith("#")]
        assert len(about(asked.lower(), [path])) == len(expected), asked


def test_markers_and_unknown_kinds_are_no_error(home: Path) -> None:
    path = home / "known_hosts"
    path.write_text(
        CASE.read_text() + f"@revoked bad.example.com {KEY}\nold ssh-dss AAAAB3NzaC1kc3M=\n"
    )
    markers = [entry.marker for entry in read_entries(path)]
    assert markers == ["@cert-authority", "@revoked", ""]
    host = Host("box1", Connection("a.example.com"), Settings())
    book = host_key_book(resolve(host), path)
    assert (book.authority, book.state, book.keys) == (True, "certified", ())
    assert "@cert-authority of a.example.com" in beyond_paramiko(host, resolve(host), path)
    assert known_host_keys(Host("box1", Connection("old"), Settings()), path) == []


def test_a_revoked_key_is_refused(home: Path) -> None:
    with SshServer(password="pw") as server:
        path = home / "known_hosts"
        path.write_text(server.known_host + f"@revoked * {KEY}\n")
        host = Host("box1", Connection("127.0.0.1", server.port, "ann"), Settings())
        with pytest.raises(HostKeyError, match="is marked @revoked"), connected(host, path):
            pass


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ("HostKeyAlias Known-As", f"known-as {KEY}"),
        ("", f"[127.0.0.1]:PORT {KEY}"),
        ("", f"127.0.0.1 {KEY}"),
        ("", f"[127.*]:* {KEY}"),
        ("UserKnownHostsFile ~/none HOME/other", f"[127.0.0.1]:PORT {KEY}"),
        ("GlobalKnownHostsFile HOME/other", f"* {KEY}"),
        ("UserKnownHostsFile HOME/other-%k", f"* {KEY}"),
    ],
)
def test_where_a_key_may_be_known_from(
    config: str, line: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config").write_text(f"Host *\n  {config}\n".replace("HOME", str(home)))
    monkeypatch.setenv("ONECARD_SSH_CONFIG", str(home / "config"))
    with SshServer(password="pw") as server:
        host = Host("box1", Connection("127.0.0.1", server.port, "ann", become=False), Settings())
        user = home / (
            "other-127.0.0.1" if "%k" in config else "other" if "other" in config else "project"
        )
        user.write_text(line.replace("PORT", str(server.port)) + "\n")
        with connected(host, home / "project") as box:
            assert box.session.run("echo in").output == "in"


@pytest.mark.parametrize("strict", ["accept-new", "no", "yes", "ask"])
def test_strict_host_key_checking(strict: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config").write_text(f"Host *\n  StrictHostKeyChecking {strict}\n")
    monkeypatch.setenv("ONECARD_SSH_CONFIG", str(home / "config"))
    path = home / "project"
    with SshServer(password="pw") as server:
        host = Host("box1", Connection("127.0.0.1", server.port, "ann", become=False), Settings())
        if strict in ("accept-new", "no"):
            with connected(host, path) as box:
                assert box.session.run("echo in").output == "in"
            assert path.read_text() == server.known_host
        else:
            with pytest.raises(HostKeyError, match="unknown host key"), connected(host, path):
                pass
            assert not path.exists()
        assert shown_host_key(host, path).key == HOST_KEY
        path.write_text(f"[127.0.0.1]:{server.port} {OTHER.get_name()} {OTHER.get_base64()}\n")
        with pytest.raises(HostKeyError, match="the host key has changed"), connected(host, path):
            pass
