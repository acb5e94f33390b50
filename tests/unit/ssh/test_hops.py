"""Jump hosts and ProxyCommand, with real servers: who logs in where, with which key, and errors."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest

from onecard.errors import AuthenticationError, HostKeyError, UnreachableError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.login import connected
from onecard.ssh.openssh import client, private_key
from onecard.ssh.trust import trust_hops, trust_host
from tests.support.ssh_server import SshServer

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")
RELAY = """
import os, socket, sys, threading
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def inwards():
    while data := os.read(0, 65536): far.sendall(data)
    far.shutdown(socket.SHUT_WR)
threading.Thread(target=inwards, daemon=True).start()
while data := far.recv(65536): os.write(1, data)
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the keys of gate, inner and box."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("gate", "inner", "box"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    return folder


class Network:
    """Three machines; the config knows gate and inner as aliases, each with its own user and key."""

    def __init__(self, stack: ExitStack, keys: Path, home: Path) -> None:
        self.servers = {
            name: stack.enter_context(
                SshServer(private_key.load(keys / name), forwards=name != "box")
            )
            for name in ("gate", "inner", "box")
        }
        self.known_hosts = home / "known_hosts"
        self.known_hosts.write_text("".join(each.known_host for each in self.servers.values()))
        self.config = home / "config"
        self.config.write_text(
            "".join(
                f"Host {name}\n  HostName 127.0.0.1\n  Port {server.port}\n"
                f"  User {name}-user\n  IdentityFile {keys / name}\n"
                for name, server in self.servers.items()
            )
        )

    def add(self, lines: str) -> None:
        """Add lines for the box."""
        self.config.write_text(f"Host box\n  {lines}\n{self.config.read_text()}")

    def run(self, **inventory: str) -> str:
        host = Host("box1", Connection("box", become=False, **inventory), Settings())  # type: ignore[arg-type]
        with connected(host, self.known_hosts) as box:
            return box.session.run("echo here").output

    @property
    def users(self) -> dict[str, list[str]]:
        return {name: sorted(set(server.users)) for name, server in self.servers.items()}


@pytest.fixture
def network(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with ExitStack() as stack:
        made = Network(stack, keys, tmp_path)
        monkeypatch.setenv("ONECARD_SSH_CONFIG", str(made.config))
        yield made


ALL = {"gate": ["gate-user"], "inner": ["inner-user"], "box": ["box-user"]}


@pytest.mark.parametrize("where", ["config", "inventory", "a hop's own"])
@pytest.mark.parametrize("with_client", [True, False])
def test_two_jump_hosts_each_with_its_own_user_and_key(
    where: str, with_client: bool, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_client:
        monkeypatch.setattr(client, "installed", lambda: False)
    if where == "config":
        network.add("ProxyJump gate,inner")
    if where == "a hop's own":
        network.add("ProxyJump inner")
        network.config.write_text(f"Host inner\n  ProxyJump gate\n{network.config.read_text()}")
    assert network.run(**({"proxy_jump": "gate,inner"} if where == "inventory" else {})) == "here"
    assert network.users == ALL


def test_trust_stores_the_keys_of_the_hops_too(network: Network) -> None:
    network.add("ProxyJump gate,inner")
    known = network.known_hosts.read_text()
    network.known_hosts.unlink()
    with pytest.raises(HostKeyError, match="invoke trust --host box1"):
        network.run()
    host = Host("box1", Connection("box"), Settings())
    stored = trust_hops(host, network.known_hosts)
    servers = network.servers
    assert [key.name for key in stored] == [
        f"[127.0.0.1]:{servers[name].port}" for name in ("gate", "inner")
    ]
    assert trust_host(host, network.known_hosts, replace=False)[1] is False
    assert sorted(network.known_hosts.read_text().splitlines()) == sorted(known.splitlines())
    assert trust_hops(host, network.known_hosts) == []
    assert network.run() == "here"


def test_no_program_is_left_behind(network: Network) -> None:
    network.add("ProxyJump gate,inner")
    network.run()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _mentioning(str(network.config)):
        time.sleep(0.05)
    assert _mentioning(str(network.config)) == []


def _mentioning(text: str) -> list[str]:
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return [line for line in lines.splitlines() if text in line and "ssh" in line.split()[0]]


def test_a_proxy_command(network: Network, tmp_path: Path) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    network.add(f"ProxyCommand '{sys.executable}' {relay} %h %p")
    assert network.run() == "here"


@pytest.mark.parametrize(
    ("break_it", "error", "words"),
    [
        ("gate key", HostKeyError, "the jump host gate-user@127.0.0.1: No ECDSA host key is known"),
        ("gate changed", HostKeyError, "the jump host gate-user@127.0.0.1: the host key has changed"),
        ("gate login", AuthenticationError, "the jump host gate-user@127.0.0.1 refused the login"),
        ("gate login, of two", AuthenticationError, "login: gate-user@127.0.0.1: Permission denied"),
        ("gate down", UnreachableError, "the jump host gate-user@127.0.0.1: ssh: connect to host"),
        ("box down", UnreachableError, "the jump host gate-user@127.0.0.1: channel 0: open failed"),
        ("box key", HostKeyError, "box1: unknown host key ecdsa"),
        ("proxy", UnreachableError, "ProxyCommand sh -c 'echo no way >&2; exit 3': no way"),
        ("proxy absent", UnreachableError, "not found"),
    ],
)  # fmt: skip
def test_what_is_wrong_on_the_way_is_named(
    break_it: str, error: type[Exception], words: str, network: Network
) -> None:
    jump = "ProxyJump gate"
    gate, box = network.servers["gate"], network.servers["box"]
    known = network.known_hosts.read_text()
    if break_it == "gate key":
        network.known_hosts.write_text(known.replace(gate.known_host, ""))
    if break_it == "gate changed":
        other = paramiko.ECDSAKey.generate().get_base64()
        network.known_hosts.write_text(
            known.replace(gate.known_host, gate.known_host.split("AAAA")[0] + other + "\n")
        )
    if break_it.startswith("gate login"):
        gate._blobs.clear()
    if break_it.endswith("of two"):
        jump = "ProxyJump gate,inner"
    if break_it in ("gate down", "box down"):
        (gate if break_it == "gate down" else box).__exit__()
    if break_it == "box key":
        network.known_hosts.write_text(known.replace(box.known_host, ""))
    if break_it == "proxy":
        jump = "ProxyCommand sh -c 'echo no way >&2; exit 3'"
    if break_it == "proxy absent":
        jump = "ProxyCommand no-such-program %h"
    network.add(jump)
    started = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        network.run()
    assert time.monotonic() - started < 12
    assert isinstance(caught.value, error), caught.value.message
    assert words in caught.value.message
    assert caught.value.message.startswith("box1: ")
    assert "\n" not in caught.value.message
