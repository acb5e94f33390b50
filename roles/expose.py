"""The API made public: nginx with TLS before it, and the firewall opened for that alone.

nginx and not Caddy: it is in the archive of every Debian and Ubuntu that onecard knows, where
Caddy is missing from Ubuntu 22.04 and would want a further package source. It runs from a unit and
a configuration of its own; a web server that the box has besides stays as it is.
"""

from __future__ import annotations

from onecard import layout
from onecard.address import in_url
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.base import Resource
from onecard.resources.certificate import AcmeCertificate, SelfSigned
from onecard.resources.files import Directory, File
from onecard.resources.firewall import MARK, OpenPorts
from onecard.resources.own_packages import OwnPackages
from onecard.resources.service import Service, configuration
from onecard.templates import render

PACKAGES = ("nginx", "openssl")
ACME_PACKAGES = ("certbot",)
ACME_PORT = 80
RECORD = f"{layout.EXPOSE}/packages"
# The packaged nginx would show its welcome page to the world on port 80.
QUIET = ("nginx.service",)

FIREWALL = f"{layout.EXPOSE}/firewall"
CERTIFICATE = f"{layout.EXPOSE}/certificate.pem"
KEY = f"{layout.EXPOSE}/key.pem"
RESTART = f"systemctl try-restart {layout.PROXY_UNIT} 2>/dev/null || true"
STARTED_WITH = "/run/onecard-proxy/configuration"


def ports(host: Host) -> tuple[int, ...]:
    """Return the TCP ports that have to be reachable."""
    expose = host.settings.expose
    return (expose.port, ACME_PORT) if expose.tls == "acme" else (expose.port,)


def certificate_file(host: Host) -> str:
    """Return where the box keeps the certificate that clients see."""
    acme = host.settings.expose.tls == "acme"
    return f"{layout.ACME}/fullchain.pem" if acme else CERTIFICATE


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return packages, firewall, certificate and proxy."""
    acme = host.settings.expose.tls == "acme"
    return (
        OwnPackages((*PACKAGES, *(ACME_PACKAGES if acme else ())), record=RECORD, quiet=QUIET),
        Directory(layout.EXPOSE),
        *_firewall(host),
        _certificate(host),
        *_proxy(host),
    )


def _firewall(host: Host) -> tuple[Resource, ...]:
    script = File(FIREWALL, render("firewall.j2", {"ports": ports(host), "mark": MARK}), mode=0o755)
    unit = File(
        f"/etc/systemd/system/{layout.FIREWALL_UNIT}",
        render("onecard-firewall.service.j2", {"folder": layout.EXPOSE}),
        after="systemctl daemon-reload",
    )
    service = Service(layout.FIREWALL_UNIT)
    return script, unit, service, OpenPorts(FIREWALL, layout.FIREWALL_UNIT, ports(host))


def _certificate(host: Host) -> Resource:
    expose = host.settings.expose
    if expose.tls == "internal":
        return SelfSigned(CERTIFICATE, KEY, expose.domain, after=RESTART)
    return AcmeCertificate(
        layout.ACME, expose.domain, expose.email, expose.acme_server, renewed=RESTART
    )


def _proxy(host: Host) -> tuple[Resource, ...]:
    expose = host.settings.expose
    acme = expose.tls == "acme"
    variables = {
        "name": in_url(expose.domain),
        "port": expose.port,
        "body_mib": expose.body_mib,
        "folder": layout.EXPOSE,
        "unit": layout.PROXY_UNIT,
        "server_unit": layout.UNIT,
        "server_unit_file": layout.UNIT_FILE,
        "certificate": certificate_file(host),
        "key": f"{layout.ACME}/privkey.pem" if acme else KEY,
    }
    nginx = File(f"{layout.EXPOSE}/nginx.conf", render("nginx.conf.j2", variables))
    prepare = File(f"{layout.EXPOSE}/prepare", render("proxy-prepare.j2", variables), mode=0o755)
    blank = render("onecard-proxy.service.j2", {**variables, "configuration": ""})
    fingerprint = configuration(nginx.content, prepare.content, blank)
    unit = File(
        f"/etc/systemd/system/{layout.PROXY_UNIT}",
        render("onecard-proxy.service.j2", {**variables, "configuration": fingerprint}),
        after="systemctl daemon-reload",
    )
    service = Service(layout.PROXY_UNIT, configuration=fingerprint, started_with=STARTED_WITH)
    return nginx, prepare, unit, service
