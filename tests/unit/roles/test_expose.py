"""What is wanted of a box that is made public, and what a failed look at it means."""

from __future__ import annotations

import os
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from onecard.access.exposure import require_free_ports
from onecard.access.public import PublicApi, explain, fingerprint
from onecard.box.services import INSTALLED
from onecard.errors import PreflightError
from onecard.facts.model import Listener, Network
from onecard.inventory.host import Host
from onecard.resources.apt.own_packages import OwnPackages, OwnPackagesRemoved
from onecard.resources.base import Resource
from onecard.resources.files.file import File
from onecard.resources.system.certificate import AcmeCertificate, SelfSigned, subject
from onecard.resources.system.firewall import OpenPorts
from onecard.settings.connection import Connection
from onecard.settings.settings import ExposeSettings, Settings
from onecard.ssh.probe_batch import Answer
from roles import expose, unexpose
from tests.support.facts_support import box
from tests.support.on_shell import apply, differing, fix, look, shell

FACTS = box()


def host(**values: object) -> Host:
    settings = Settings(
        expose=ExposeSettings.model_validate({"domain": "api.example.org", **values})
    )
    return Host("a100-1", Connection("192.0.2.7"), settings)


def text(resources: tuple[Resource, ...], path: str) -> str:
    (found,) = [each for each in resources if isinstance(each, File) and each.path == path]
    return found.content


def test_acme_wants_certbot_and_port_80_as_well() -> None:
    wanted = expose.desired(host(email="me@example.org"), FACTS)
    assert wanted[0].name == "apt nginx openssl certbot"
    assert "firewall 443/tcp 80/tcp" in [each.name for each in wanted]
    (certificate,) = [each for each in wanted if isinstance(each, AcmeCertificate)]
    command = fix(certificate, "")[0]
    assert "-d api.example.org" in command
    assert "--email me@example.org" in command
    assert "LoadCredential=key.pem:/etc/letsencrypt/live/onecard/privkey.pem" in text(
        wanted, "onecard-proxy.service"
    )


def test_internal_wants_neither() -> None:
    wanted = expose.desired(host(domain="192.0.2.7", tls="internal", port=8443), FACTS)
    assert wanted[0].name == "apt nginx openssl"
    assert "firewall 8443/tcp" in [each.name for each in wanted]
    assert "server_name 192.0.2.7;" in text(wanted, "/etc/onecard/expose/nginx.conf")
    assert "listen 8443 ssl;" in text(wanted, "/etc/onecard/expose/prepare")


@pytest.mark.parametrize(
    ("options", "upstream"),
    [
        ("--host 127.0.0.1 --port 8123", "127.0.0.1:8123"),
        ("--max-model-len 4096", "127.0.0.1:8000"),
        ("--host 0.0.0.0 --port=9", "127.0.0.1:9"),
        ("--host 10.1.2.3 --port 8000 --seed 0", "10.1.2.3:8000"),
        ("--host :: --port 8000", "[::1]:8000"),
        ("--host fd00::7 --port 8000", "[fd00::7]:8000"),
    ],
)
def test_the_proxy_goes_to_where_the_server_listens(
    options: str, upstream: str, tmp_path: Path
) -> None:
    unit = tmp_path / "unit"
    unit.write_text(f"[Service]\nExecStart=/x/vllm serve /m {options}\n")
    script = text(expose.desired(host(), FACTS), "/etc/onecard/expose/prepare")
    services = tmp_path / "services.sh"
    services.write_text(f"services() {{ cat {unit}; }}")
    script = script.replace(INSTALLED, str(services)).replace("/run/onecard-proxy", str(tmp_path))
    done = shell(f"ONECARD_CONFIGURATION=x\n{script}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "upstream.conf").read_text() == f"server {upstream};\n"


def test_every_change_of_the_configuration_restarts_the_proxy() -> None:
    prints = {
        text(expose.desired(each, FACTS), "onecard-proxy.service")
        .partition("ONECARD_CONFIGURATION=")[2]
        .partition("\n")[0]
        for each in (host(), host(port=8443), host(body_mib=7), host(domain="b.example.org"))
    }
    assert len(prints) == 4


def test_unexpose_names_everything_that_expose_brings() -> None:
    names = [each.name for each in unexpose.desired(host(), FACTS)]
    assert names == [
        "service onecard-proxy.service",
        "firewall rules of the public API",
        "service onecard-firewall.service",
        "certificate /etc/letsencrypt/live/onecard",
        "packages listed in /etc/onecard/expose/packages",
        "/etc/onecard/expose",
    ]


@pytest.mark.parametrize("name", ["api.example.org", "192.0.2.7", "2001:db8::7"])
def test_a_self_signed_certificate_vouches_for_one_name_alone(name: str, tmp_path: Path) -> None:
    made = SelfSigned(str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem"), name)
    assert differing(made) == {"names", "lasts", "key", "mode"}
    apply(made)
    pem = (tmp_path / "certificate.pem").read_text()
    ssl.create_default_context(cadata=pem)
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-ext", "basicConstraints"],
        input=pem,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert fingerprint(pem) in shown.replace(":", "").lower()
    assert "CA:FALSE" in shown
    assert differing(SelfSigned(made.certificate, made.key, "other.example.org")) == {"names"}
    (tmp_path / "key.pem").chmod(0o644)
    assert differing(made) == {"mode"}
    apply(made)
    assert (tmp_path / "certificate.pem").read_text() == pem
    apply(SelfSigned(str(tmp_path / "b.pem"), str(tmp_path / "bkey.pem"), name))
    (tmp_path / "bkey.pem").replace(tmp_path / "key.pem")
    assert differing(made) == {"key"}


def test_subjects() -> None:
    assert subject("a.example") == "DNS:a.example"
    assert subject("2001:DB8::7") == "IP Address:2001:DB8:0:0:0:0:0:7"


@pytest.mark.parametrize(
    ("output", "state"),
    [
        ("", {"firewall": None}),
        ("firewall=none", {"firewall": "none", "443/tcp": "open", "80/tcp": "open"}),
        ("firewall=ufw\n80=closed", {"firewall": "ufw", "443/tcp": "open", "80/tcp": "closed"}),
    ],
)
def test_ports(output: str, state: dict[str, str]) -> None:
    assert OpenPorts("/f", "u.service", (443, 80)).read(Answer(output)) == state


def test_packages_that_others_need_by_now_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packages").write_text("nginx\n")
    (tmp_path / "apt-get").write_text("#!/bin/sh\nprintf 'Purg nginx [1]\nPurg a\nPurg b [2]\n'\n")
    (tmp_path / "apt-get").chmod(0o755)
    known = tmp_path / "dpkg-query"
    known.write_text("#!/bin/sh\nprintf 'nginx\na\nb\n'\n")
    known.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    back = OwnPackagesRemoved(str(tmp_path / "packages"))
    done = shell(f"set -e\n{back.fix({}, {})}")
    assert done.returncode == 1
    assert done.stdout == "error: remove these dependent packages first: a b\n"
    known.write_text("#!/bin/sh\nprintf 'a\nb\n'\n")  # a pod that was stopped since
    assert shell(f"set -e\n{back.fix({}, {})}").returncode == 0
    assert look(back) == {"installed": "none"}


def test_packages_that_came_along_are_recorded_and_given_back(tmp_path: Path) -> None:
    record = str(tmp_path / "packages")
    lines = fix(OwnPackages(("nginx",), record=record, quiet=("nginx.service",)), "", 1)
    assert lines[0] == "services mask nginx.service"
    assert any(line.startswith("trap ") and record in line for line in lines)
    back = OwnPackagesRemoved(record)
    assert look(back) == {"installed": "none"}
    Path(record).write_text("nginx\nnginx-common\n")
    assert look(back) == {"installed": "nginx nginx-common"}


HERE = PublicApi("127.0.0.1", 443, "192.0.2.7", "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "a firewall before the box drops it; open TCP 443"),
        (ConnectionRefusedError(), "nothing listens on it"),
        (ssl.SSLCertVerificationError("expired"), "the certificate is refused (expired)"),
        (ssl.SSLError(1, "wrong version"), "does not speak TLS"),
        (OSError("no route"), "no route"),
    ],
)
def test_a_failed_look_reports_what_to_do_and_where_the_name_leads(
    error: Exception, words: str
) -> None:
    reported = explain(error, HERE)
    assert words in reported
    assert reported.endswith("127.0.0.1 resolves to 127.0.0.1, the box is 192.0.2.7")


def test_urls() -> None:
    assert PublicApi("a.example", 443, "", "").url == "https://a.example/v1"
    assert PublicApi("2001:db8::7", 8443, "", "").url == "https://[2001:db8::7]:8443/v1"
    assert PublicApi("no.such.invalid", 443, "", "").resolved() == ()


def test_the_key_is_not_sent_to_another_server(tmp_path: Path) -> None:
    """Two certificates for one address: the one that is served is not the box's."""
    import http.server
    import threading

    from onecard.credentials.secret import Secret

    paths = {}
    for name in ("box", "other"):
        paths[name] = tmp_path / f"{name}.pem"
        apply(SelfSigned(str(paths[name]), str(tmp_path / f"{name}.key"), "127.0.0.1"))
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paths["other"], tmp_path / "other.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        port = server.server_address[1]
        api = PublicApi("127.0.0.1", port, "127.0.0.1", paths["box"].read_text(), paths["other"])
        with pytest.raises(ssl.SSLCertVerificationError, match="another server's"):
            api.status("/v1/models", Secret("key"))
        assert seen == []
        right = PublicApi(
            "127.0.0.1", port, "127.0.0.1", paths["other"].read_text(), paths["other"]
        )
        assert right.status("/v1/models", Secret("key")) == 200
        assert seen == ["Bearer key"]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("listening", "exposed", "free"),
    [
        (("0.0.0.0", 443, "nginx"), True, True),
        (("0.0.0.0", 443, "nginx"), False, False),  # a web server that was there before
        (("0.0.0.0", 80, "apache2"), True, False),
        (("127.0.0.1", 80, "apache2"), True, True),
        (("::", 8080, "java"), False, True),
    ],
)
def test_a_port_that_another_program_has_is_refused_before_anything_changes(
    listening: tuple[str, int, str], exposed: bool, free: bool
) -> None:
    address, port, process = listening
    network = Network(listeners=(Listener(address, port, process, 12),))
    facts = replace(FACTS, network=network)
    if free:
        require_free_ports(expose.ports(host()), facts, {"nginx"} if exposed else set())
        return
    with pytest.raises(PreflightError, match=f"port {port} on the box is taken by {process}"):
        require_free_ports(expose.ports(host()), facts, {"nginx"} if exposed else set())
