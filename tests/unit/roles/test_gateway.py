"""What the gateway's host gets. Its work is tested on boxes (tests/box/test_gateway.py)."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from onecard.credentials.secret import Secret
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.gateway_group import GatewayGroup
from onecard.resources.base import Resource
from onecard.resources.files.file import File
from onecard.resources.system.service import ReloadedService
from onecard.settings.connection import Connection
from onecard.settings.settings import GatewaySettings, Settings
from onecard.ssh.probe_batch import Answer
from roles import gateway
from tests.support.facts_support import box
from tests.support.on_shell import fix

CONFIGURATION = "/etc/onecard/gateway/haproxy.cfg"


def wanted(keys: tuple[str, ...] = ("k" * 20, "l" * 20), **values: object) -> tuple[Resource, ...]:
    settings = GatewaySettings.model_validate(
        {"host": "a", "domain": "api.example.org", "tls": "internal", **values}
    )
    hosts = tuple(
        Host(name, Connection("192.0.2.7"), Settings(gateway=settings)) for name in ("a", "b")
    )
    back_ends = [
        gateway.BackEnd("a", "127.0.0.1", 8000, Secret(keys[0])),
        gateway.BackEnd("b", "fd00::7", 8001, Secret(keys[1])),
    ]
    return gateway.desired(GatewayGroup(hosts[0], hosts), back_ends, box())


def file(resources: tuple[Resource, ...], path: str = CONFIGURATION) -> File:
    (found,) = [each for each in resources if isinstance(each, File) and each.path == path]
    return found


def service(resources: tuple[Resource, ...]) -> ReloadedService:
    (found,) = [each for each in resources if isinstance(each, ReloadedService)]
    return found


def test_the_configuration_names_each_box_and_holds_no_key() -> None:
    found = file(wanted())
    assert "server a 127.0.0.1:8000 check" in found.content
    assert "server b [fd00::7]:8001 check" in found.content
    assert found.mode == 0o640
    for each in wanted():
        assert "k" * 20 not in f"{each}{getattr(each, 'content', '')}"


def test_only_what_is_safe_for_a_post_is_sent_again() -> None:
    (line,) = [line for line in file(wanted()).content.splitlines() if "retry-on" in line]
    assert line.split() == ["retry-on", "conn-failure", "503"]


def test_every_change_is_taken_over_a_new_key_of_a_box_too() -> None:
    different = (
        wanted(), wanted(port=8443), wanted(clients=("default", "app")), wanted(body_mib=7),
        wanted(keys=("k" * 20, "m" * 20)), wanted(tls="acme"),
    )  # fmt: skip
    prints = {service(each).configuration for each in different}
    assert len(prints) == len(different)
    assert f"# configuration: {service(wanted()).configuration}\n" in file(wanted()).content


def test_a_running_gateway_is_reloaded_and_a_stopped_one_started() -> None:
    shown = "UnitFileState=enabled\nActiveState={}\nNeedDaemonReload=no\nONECARD_CONFIGURATION=x"
    found = service(wanted())
    assert fix(found, shown.format("active")) == ["systemctl reload onecard-gateway.service"]
    assert "services restart onecard-gateway.service" in fix(found, shown.format("failed"))
    assert Answer(shown, 0).code == 0


def test_prepare_makes_the_map_of_clients_and_forgets_those_taken_out(tmp_path: Path) -> None:
    etc, run = tmp_path / "etc", tmp_path / "run"
    for folder in (run, etc / "clients", etc / "boxes"):
        folder.mkdir(parents=True)
    (etc / "clients" / "default.env").write_text("GATEWAY_KEY=secret-of-default\n")
    (etc / "clients" / "left.env").write_text("GATEWAY_KEY=secret-of-left\n")
    (etc / "boxes" / "1.env").write_text("BACKEND_KEY_1=a%b$c#d'e\n")
    (etc / "certificate.pem").write_text("certificate\n")
    (etc / "key.pem").write_text("key\n")
    script = file(wanted(), "/etc/onecard/gateway/prepare").content
    script = script.replace("/etc/onecard/gateway", str(etc)).replace(
        "/run/onecard-gateway", str(run)
    )
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    digest = hashlib.sha256(b"Bearer secret-of-default").hexdigest().upper()
    assert (run / "clients.map").read_text() == f"{digest} default\n"
    assert not (etc / "clients" / "left.env").exists()
    assert "    setenv BACKEND_KEY_1 'a%b$c#d'\\''e'\n" in (run / "secrets.cfg").read_text()
    assert (run / "secrets.cfg").stat().st_mode & 0o777 == 0o600
    assert (run / "certificate.pem").read_text() == "certificate\nkey\n"
