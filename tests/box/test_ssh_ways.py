"""Ways to a real box: jump hosts, ProxyCommand, certificates, agents, IPv6, other login shells.

The box runs three further sshd of its own: `gate`, `inner` behind it, and `target` behind both, each
with its own users, keys and host key. Every way ends in the same box, where nothing is to be done.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.box.conftest import INVOKE, PROJECT, Box, Controller
from tests.support.ssh_agent import agent_with

pytestmark = pytest.mark.box

USERS = {"gate": "gate-user", "inner": "inner-user", "target": "root"}
PORTS = {"gate": 2201, "inner": 2202, "target": 2203}
SERVERS = r"""
export DEBIAN_FRONTEND=noninteractive
apt-get -qq install -y --no-install-recommends fish tcsh netcat-openbsd >/dev/null
mkdir -p /etc/ways /run/sshd; cd /etc/ways
for name in gate inner target; do
  [ -e $name ] || ssh-keygen -q -t ed25519 -N '' -f $name
done
for user in gate-user:/bin/sh inner-user:/bin/sh fishy:/usr/bin/fish tcshy:/bin/tcsh; do
  name=${user%%:*}
  id $name >/dev/null 2>&1 || useradd -m -s ${user#*:} $name
done
for name in fishy tcshy; do
  echo "$name ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/ways-$name
done
serve() {
  cat >$1.conf <<END
Port $2
ListenAddress $3
HostKey /etc/ways/$1
AuthorizedKeysFile /etc/ways/$1.keys
PidFile none
StrictModes no
UsePAM yes
$4
END
  systemctl reset-failed ways-$1 2>/dev/null
  systemctl stop ways-$1 2>/dev/null
  systemd-run -q --unit ways-$1 -p KillMode=process /usr/sbin/sshd -D -f /etc/ways/$1.conf
}
serve gate 2201 0.0.0.0 'AllowUsers gate-user'
serve inner 2202 127.0.0.1 'AllowUsers inner-user'
serve target 2203 127.0.0.1 "ListenAddress ::1
PermitRootLogin prohibit-password"
"""
AWAY = r"""
for name in gate inner target; do systemctl stop ways-$name; done
for name in gate-user inner-user fishy tcshy; do userdel -rf $name 2>/dev/null; done
rm -rf /etc/ways /etc/sudoers.d/ways-*
apt-get -qq purge -y fish fish-common tcsh netcat-openbsd >/dev/null
"""


@dataclass(frozen=True)
class Ways:
    """A controller whose inventory and ssh configuration know the ways."""

    controller: Controller
    folder: Path
    address: str

    def key(self, name: str) -> Path:
        return self.folder / name

    def configure(self, text: str) -> dict[str, str]:
        """Write the ssh configuration; return the environment that has it read."""
        machines = "".join(
            f"Host {name}\n  HostName {self.address if name == 'gate' else '127.0.0.1'}\n"
            f"  Port {PORTS[name]}\n  User {USERS[name]}\n  IdentityFile {self.key(name)}\n"
            for name in PORTS
        )
        config = self.folder / "config"
        config.write_text(f"{text}\n{machines}")
        return {"ONECARD_SSH_CONFIG": str(config), "SSH_AUTH_SOCK": ""}

    def inventory(self, variables: dict[str, Any]) -> None:
        """Write the host `way`, with the build of box1."""
        hosts = {"all": {"children": {"sandbox": {"hosts": {"way": variables}}}}}
        (self.controller.inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))


@pytest.fixture(scope="module")
def ways(
    controller: Controller, box: Box, deployed: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("ways")
    inventory = folder / "inventory"
    shutil.copytree(controller.inventory, inventory)
    shutil.copy(inventory / "locks" / "box1.yml", inventory / "locks" / "way.yml")
    variables = yaml.safe_load((inventory / "sandbox.yml").read_text())
    place = variables["all"]["children"]["sandbox"]["hosts"]["box1"]
    for name in (*PORTS, "authority", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    try:
        public = {path.stem: path.read_text().strip() for path in folder.glob("*.pub")}
        allowed = {name: public[name] for name in PORTS}
        allowed["target"] += f"\n{public['user']}"
        keys = "".join(f"echo '{text}' >{name}.keys\n" for name, text in allowed.items())
        shown = box(f"{SERVERS}{keys}cat gate.pub inner.pub target.pub").splitlines()
        with (inventory / "known_hosts").open("a") as known:
            for (name, port), host_key in zip(PORTS.items(), shown[-3:], strict=True):
                host = place["ansible_host"] if name == "gate" else "127.0.0.1"
                known.write(f"[{host}]:{port} {host_key}\n")
        yield Ways(Controller(inventory), folder, place["ansible_host"])
    finally:
        box(AWAY)


def works(ways: Ways, environment: dict[str, str], hops: list[str] | None = None) -> None:
    """Prove a way: `hosts` shows its hops, a dry run finds nothing to do, the tunnel carries."""
    if hops is not None:
        shown = ways.controller.invoke("hosts", "--host", "way", "--json", **environment)
        (row,) = json.loads(shown.stdout)["hosts"]
        assert [f"{hop['user']}@{hop['address']}:{hop['port']}" for hop in row["hops"]] == hops
    done = ways.controller.invoke("provision", "--host", "way", "--check", "--json", **environment)
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)["hosts"]
    assert (report["failed"], report["changed"]) == (0, 0), done.stdout
    assert tunnelled(ways, environment) == ["tiny-vqa"]


def tunnelled(ways: Ways, environment: dict[str, str]) -> list[str]:
    """Return the models that the API names through `invoke tunnel`."""
    out = ways.folder / "tunnel.json"
    with out.open("w") as stdout, (ways.folder / "tunnel.err").open("w") as stderr:
        process = subprocess.Popen(
            [INVOKE, "tunnel", "--host", "way", "--json"],
            cwd=PROJECT,
            env={**ways.controller.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        wait_for(lambda: out.read_text().endswith("}\n") or process.poll() is not None)
        assert process.poll() is None, (ways.folder / "tunnel.err").read_text()
        document = json.loads(out.read_text())
        key = Path(document["key_file"]).read_text().strip()
        request = urllib.request.Request(
            f"{document['url']}/models", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return [model["id"] for model in json.load(answer)["data"]]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_jump_hosts_in_a_row(ways: Ways) -> None:
    ways.inventory({"ansible_host": "target", "ansible_ssh_common_args": "-J gate,inner"})
    hops = [f"gate-user@{ways.address}:2201", "inner-user@127.0.0.1:2202"]
    works(ways, ways.configure(""), hops)
    refused = ways.controller.invoke(
        "facts", "--host", "way", **ways.configure("Host gate\n  User no")
    )
    assert refused.returncode == 3
    assert "no@" in refused.stderr
    assert "Permission denied" in refused.stderr


def test_a_jump_host_with_another_user_and_key_over_ipv6(ways: Ways) -> None:
    known = ways.controller.inventory / "known_hosts"
    target = next(line for line in known.read_text().splitlines() if "]:2203" in line)
    known.write_text(f"{known.read_text()}[::1]:2203 {target.partition(' ')[2]}\n")
    ways.inventory(
        {"address": "::1", "port": 2203, "user": "root", "key_file": str(ways.key("user"))}
    )
    works(ways, ways.configure("Host ::1\n  ProxyJump gate"), [f"gate-user@{ways.address}:2201"])


def test_a_proxy_command_with_netcat(ways: Ways) -> None:
    ways.inventory({"address": "target"})
    way = f"ssh -F {ways.folder}/config -o BatchMode=yes gate nc %h %p"
    known = f"UserKnownHostsFile {ways.controller.inventory}/known_hosts"
    works(ways, ways.configure(f"Host target\n  ProxyCommand {way}\nHost *\n  {known}"), [])


def test_a_host_certificate_and_a_key_in_an_agent(ways: Ways, box: Box) -> None:
    box("install -m 0600 /dev/null /etc/ways/authority")
    secret = ways.key("authority").read_text()
    box(
        f"cat >/etc/ways/authority <<'END'\n{secret}END\ncd /etc/ways\n"
        "ssh-keygen -q -s authority -I ways -h -n 127.0.0.1 target.pub; rm authority\n"
        "echo HostCertificate /etc/ways/target-cert.pub >>target.conf\n"
        "systemctl kill -s HUP --kill-whom=main ways-target"
    )
    inventory = ways.controller.inventory
    known = (inventory / "known_hosts").read_text()
    others = [line for line in known.splitlines() if "]:2203" not in line]
    public = ways.key("authority.pub").read_text().strip()
    with agent_with(ways.key("user")) as place:
        try:
            (inventory / "known_hosts").write_text(
                "\n".join([*others, f"@cert-authority *127.0.0.1*,127.0.0.1 {public}", ""])
            )
            ways.inventory(
                {"address": "127.0.0.1", "port": 2203, "user": "root", "proxy_jump": "gate"}
            )
            config = f"Host 127.0.0.1\n  IdentityAgent {place}"
            works(ways, ways.configure(config))
            other = ways.key("gate.pub").read_text().strip()
            (inventory / "known_hosts").write_text(
                "\n".join([*others, f"@cert-authority *127.0.0.1* {other}", ""])
            )
            refused = ways.controller.invoke("facts", "--host", "way", **ways.configure(config))
            assert refused.returncode == 3, refused.stderr
            assert "host key" in refused.stderr.lower()
        finally:
            (inventory / "known_hosts").write_text(known)


@pytest.fixture(scope="module")
def security_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A security key without hardware: the library that OpenSSH tests with, of Debian's package."""
    folder = tmp_path_factory.mktemp("security-key")
    script = "apt-get -qq download openssh-tests && dpkg -x openssh-tests_*.deb ."
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True)
    found = next(folder.rglob("sk-dummy.so"), None)
    if found is None:
        pytest.skip(f"no openssh-tests here: {done.stderr.strip()[-200:]}")
    return str(found)


@pytest.mark.parametrize(("kind", "touch"), [("ed25519-sk", ""), ("ecdsa-sk", "no-touch-required")])
def test_a_security_key(kind: str, touch: str, ways: Ways, box: Box, security_key: str) -> None:
    """In an agent; the one that needs no touch from its file."""
    path = ways.key(kind)
    options = ["-O", touch] if touch else []
    words = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path, "-w", security_key, *options]
    subprocess.run(words, check=True)
    public = path.with_suffix(".pub").read_text().strip()
    box(f"echo '{touch} {public}' >>/etc/ways/target.keys")
    # Its address, not the alias that has a key file.
    place = {"address": "127.0.0.1", "port": 2203, "user": "root", "proxy_jump": "gate"}
    if touch:
        ways.inventory({**place, "key_file": str(path)})
        works(ways, ways.configure(f"Host 127.0.0.1\n  SecurityKeyProvider {security_key}"))
        return
    ways.inventory(place)
    with agent_with(path, SSH_SK_PROVIDER=security_key) as agent:
        works(ways, {**ways.configure(""), "SSH_AUTH_SOCK": agent})


@pytest.mark.parametrize("user", ["fishy", "tcshy"])
def test_a_login_shell_of_another_language(user: str, ways: Ways) -> None:
    ways.inventory({"address": "target", "user": user, "proxy_jump": "gate"})
    works(ways, ways.configure(""))


def test_a_forced_command_is_named(ways: Ways, box: Box) -> None:
    public = ways.key("user.pub").read_text().strip()
    with contextlib.ExitStack() as stack:
        box("cp /etc/ways/target.keys /etc/ways/before")
        stack.callback(box, "mv /etc/ways/before /etc/ways/target.keys")
        box(f"echo 'command=\"echo only backups here\" {public}' >/etc/ways/target.keys")
        ways.inventory(
            {"address": "target", "key_file": str(ways.key("user")), "proxy_jump": "gate"}
        )
        refused = ways.controller.invoke("facts", "--host", "way", **ways.configure(""))
    assert refused.returncode == 3
    assert "did not start sh, and printed: only backups here" in refused.stderr
