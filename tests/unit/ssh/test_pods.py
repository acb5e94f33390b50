"""SSH as pods have it: a banner, a .bashrc that prints, no SFTP, no sudo, proxies without commands."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from onecard.errors import UnreachableError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.login import connected
from onecard.ssh.shell import Request
from tests.support.password_login import logged_in
from tests.support.ssh_server import SshServer

NOISE = "printf 'Welcome to your pod! \\n'; printf 'no newline'; echo warning >&2\n"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_SSH_PASSWORD", "pw")


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_banner_and_a_bashrc_that_prints(tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (tmp_path / ".bashrc").write_text(NOISE)
    # bash reads ~/.bashrc where sshd runs it (SSH_CLIENT), and $BASH_ENV wherever it runs commands.
    environment = {
        "HOME": str(tmp_path),
        "PATH": PATH,
        "SSH_CLIENT": "203.0.113.1 5022 22",
        "BASH_ENV": str(tmp_path / ".bashrc"),
    }
    banner = "*** authorised use alone ***\nno newline at its end"
    server = SshServer(password="pw", shell=shell, environment=environment, banner=banner)
    with server, logged_in(server, tmp_path, user="root") as box:
        target = tmp_path / "uploaded"
        results = box.session.send(
            [
                Request("put", b"\x00content", str(target)),
                Request.run("echo out; echo err >&2; exit 3"),
            ]
        )
        assert (results[1].output, results[1].code) == ("out\nerr", 3)
        assert target.read_bytes() == b"\x00content"
        assert box.session.round_trips == 1


@pytest.mark.parametrize(
    "refusal",
    [
        # microsoft/vscode-remote-release issue 10790: what ssh.runpod.io prints
        "Error: Your SSH client doesn't support PTY\n",
        "",
    ],
    ids=["RunPod's proxy", "the request is refused"],
)
def test_a_proxy_that_runs_no_commands_is_named(tmp_path: Path, refusal: str) -> None:
    with (
        SshServer(password="pw", refusal=refusal) as server,
        pytest.raises(UnreachableError) as caught,
        logged_in(server, tmp_path, user="root"),
    ):
        pass
    assert caught.value.message.startswith("box1: takes the login but runs no commands")
    assert "SSH over exposed TCP" in caught.value.message
    assert "\n" not in caught.value.message


SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{PATH}")


@pytest.mark.skipif(SSHD is None, reason="no sshd here")
def test_a_real_sshd_without_sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSH without the subsystem sftp, with a banner, and a shell that prints at its start."""
    assert SSHD is not None
    for name in ("host", "login"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
    (tmp_path / "banner").write_text("*** no files here ***\n")
    (tmp_path / "noise").write_text(NOISE)
    port = 22022 + os.getpid() % 10_000
    (tmp_path / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nStrictModes no\n"
        f"AuthorizedKeysFile {tmp_path}/login.pub\nPermitRootLogin yes\nUsePAM no\n"
        f"Banner {tmp_path}/banner\nSetEnv BASH_ENV={tmp_path}/noise\nPidFile none\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where its unprivileged process lives
    known_hosts = tmp_path / "known_hosts"
    kind, encoded, *_ = (tmp_path / "host.pub").read_text().split()
    known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {encoded}\n")
    settings = Connection(
        "127.0.0.1", port=port, user=getpass.getuser(), key_file=tmp_path / "login", become=False
    )
    server = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(tmp_path / "config")], stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr is not None
        for line in server.stderr:
            if "listening" in line:
                break
        with connected(Host("pod1", settings, Settings()), known_hosts) as box:
            target = tmp_path / "uploaded"
            box.session.send([Request("put", b"content", str(target))])
            assert box.session.run("echo out").output == "out"
            assert target.read_bytes() == b"content"
    finally:
        server.terminate()
        server.wait(10)
