"""The public API: nginx with TLS in front of it, and only its ports open in the firewall.

nginx and not Caddy: it is in the archive of every Debian and Ubuntu that onecard supports, while
Caddy is missing from Ubuntu 22.04 and would need another package source. It has a unit and a
configuration of its own; another web server on the box stays as it is.
"""

from __future__ import annotations

from onecard.api.address import in_url
from onecard.box import paths, services
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.resources.apt.own_packages import OwnPackages
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, File
from onecard.resources.skipped import Skipped
from onecard.resources.system.certificate import AcmeCertificate, SelfSigned
from onecard.resources.system.firewall import MARK, OpenPorts
from onecard.resources.system.service import Service, UnitFile, configuration
from onecard.templates.render import render

PACKAGES = ("nginx", "openssl")
ACME_PACKAGES = ("certbot",)
ACME_PORT = 80
RECORD = f"{paths.EXPOSE}/packages"
# The packaged nginx would show its welcome page to the world on port 80.
QUIET = ("nginx.service",)

FIREWALL = f"{paths.EXPOSE}/firewall"
CERTIFICATE = f"{paths.EXPOSE}/certificate.pem"
KEY = f"{paths.EXPOSE}/key.pem"
RESTART = f"{services.hook('try-restart', paths.PROXY_UNIT)} 2>/dev/null || true"
STARTED_WITH = "/run/onecard-proxy/configuration"


def ports(host: Host) -> tuple[int, ...]:
    """Return the TCP ports that must be reachable."""
    expose = host.settings.expose
    return (expose.port, ACME_PORT) if expose.tls == "acme" else (expose.port,)


def certificate_file(host: Host) -> str:
    """Return the path on the box of the certificate that clients get."""
    acme = host.settings.expose.tls == "acme"
    return f"{paths.ACME}/fullchain.pem" if acme else CERTIFICATE


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return packages, firewall, certificate and proxy."""
    acme = host.settings.expose.tls == "acme"
    return (
        OwnPackages((*PACKAGES, *(ACME_PACKAGES if acme else ())), record=RECORD, quiet=QUIET),
        Directory(paths.EXPOSE),
        *_firewall(host, facts),
        _certificate(host),
        *_renewal(host, facts),
        *_proxy(host),
    )


def _firewall(host: Host, facts: Facts) -> tuple[Resource, ...]:
    if not facts.machine.can("firewall"):
        return (Skipped("firewall", "container"),)
    script = File(FIREWALL, render("firewall.j2", {"ports": ports(host), "mark": MARK}), mode=0o755)
    unit = UnitFile(
        paths.FIREWALL_UNIT, render("onecard-firewall.service.j2", {"folder": paths.EXPOSE})
    )
    service = Service(paths.FIREWALL_UNIT)
    return script, unit, service, OpenPorts(FIREWALL, paths.FIREWALL_UNIT, ports(host))


def _certificate(host: Host) -> Resource:
    expose = host.settings.expose
    if expose.tls == "internal":
        return SelfSigned(CERTIFICATE, KEY, expose.domain, after=RESTART)
    return AcmeCertificate(
        paths.ACME, expose.domain, expose.email, expose.acme_server, renewed=RESTART
    )


def _renewal(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return what renews the certificate where certbot's timer does not run."""
    if facts.machine.systemd or host.settings.expose.tls != "acme":
        return ()
    text = render("onecard-renewal.service.j2", {"lineage": paths.ACME.rpartition("/")[2]})
    return UnitFile(paths.RENEWAL_UNIT, text), Service(paths.RENEWAL_UNIT)


def _proxy(host: Host) -> tuple[Resource, ...]:
    expose = host.settings.expose
    acme = expose.tls == "acme"
    variables = {
        "name": in_url(expose.domain),
        "port": expose.port,
        "body_mib": expose.body_mib,
        "folder": paths.EXPOSE,
        "unit": paths.PROXY_UNIT,
        "server_unit": paths.UNIT,
        "services": services.INSTALLED,
        "certificate": certificate_file(host),
        "key": f"{paths.ACME}/privkey.pem" if acme else KEY,
    }
    nginx = File(f"{paths.EXPOSE}/nginx.conf", render("nginx.conf.j2", variables))
    prepare = File(f"{paths.EXPOSE}/prepare", render("proxy-prepare.j2", variables), mode=0o755)
    blank = render("onecard-proxy.service.j2", {**variables, "configuration": ""})
    fingerprint = configuration(nginx.content, prepare.content, blank)
    unit = UnitFile(
        paths.PROXY_UNIT,
        render("onecard-proxy.service.j2", {**variables, "configuration": fingerprint}),
    )
    service = Service(paths.PROXY_UNIT, configuration=fingerprint, started_with=STARTED_WITH)
    return nginx, prepare, unit, service
