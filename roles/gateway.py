"""One address for several boxes: HAProxy with TLS, keys of its own, and health checks.

HAProxy and not nginx: its open-source version has no health checks of its own, no runtime
commands to drain a server, and no metrics. It is in the archive of every supported system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from onecard.api.address import in_url
from onecard.box import paths
from onecard.credentials.secret import Secret
from onecard.facts import Facts
from onecard.inventory.serving_groups.gateway_group import GatewayGroup
from onecard.resources.absent import NoPath, NoService
from onecard.resources.apt.own_packages import OwnPackages, OwnPackagesRemoved
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, File
from onecard.resources.files.secret_file import SecretFile
from onecard.resources.skipped import Skipped
from onecard.resources.system.certificate import AcmeCertificate, NoAcmeCertificate, SelfSigned
from onecard.resources.system.firewall import GATEWAY_MARK, NoOpenings, OpenPorts
from onecard.resources.system.service import ReloadedService, Service, UnitFile, configuration
from onecard.settings.settings import GatewaySettings
from onecard.templates.render import render
from roles import expose, unexpose

# socat: speaks to HAProxy's runtime socket.
PACKAGES = ("haproxy", "openssl", "socat")
RECORD = f"{paths.GATEWAY}/packages"
QUIET = ("haproxy.service",)  # the packaged one has a configuration of its own
FIREWALL = f"{paths.GATEWAY}/firewall"
CONFIGURATION = f"{paths.GATEWAY}/haproxy.cfg"
CERTIFICATE = f"{paths.GATEWAY}/certificate.pem"
KEY = f"{paths.GATEWAY}/key.pem"
CLIENTS = f"{paths.GATEWAY}/clients"
BOXES = f"{paths.GATEWAY}/boxes"
CLIENT_VARIABLE = "GATEWAY_KEY"
RELOAD = f"systemctl reload {paths.GATEWAY_UNIT} 2>/dev/null || true"


@dataclass(frozen=True)
class BackEnd:
    """A box as the gateway reaches it. key: of its server."""

    name: str
    address: str
    port: int
    key: Secret

    @property
    def place(self) -> str:
        """Return `ADDRESS:PORT`."""
        return f"{in_url(self.address)}:{self.port}"


def ports(settings: GatewaySettings) -> tuple[int, ...]:
    """Return the TCP ports that must be reachable."""
    acme = (expose.ACME_PORT,) if settings.tls == "acme" else ()
    return (settings.port, *acme)


def certificate_file(settings: GatewaySettings) -> str:
    """Return the path on the box of the certificate that clients get."""
    return f"{paths.GATEWAY_ACME}/fullchain.pem" if settings.tls == "acme" else CERTIFICATE


def client_file(client: str) -> str:
    """Return the path on the box of a client's key."""
    return f"{CLIENTS}/{client}.env"


def desired(
    group: GatewayGroup, back_ends: Sequence[BackEnd], facts: Facts
) -> tuple[Resource, ...]:
    """Return packages, firewall, certificate, keys and proxy."""
    settings = group.settings
    acme = expose.ACME_PACKAGES if settings.tls == "acme" else ()
    keys = tuple(
        SecretFile(f"{BOXES}/{number}.env", f"BACKEND_KEY_{number}", each.key)
        for number, each in enumerate(back_ends, 1)
    )
    return (
        OwnPackages((*PACKAGES, *acme), record=RECORD, quiet=QUIET),
        Directory(paths.GATEWAY),
        Directory(CLIENTS, mode=0o700),
        Directory(BOXES, mode=0o700),
        *_firewall(settings, facts),
        _certificate(settings),
        *(SecretFile(client_file(name), CLIENT_VARIABLE) for name in settings.clients),
        *keys,
        *_proxy(settings, back_ends),
    )


def _firewall(settings: GatewaySettings, facts: Facts) -> tuple[Resource, ...]:
    if not facts.machine.can("firewall"):
        return (Skipped("firewall of the gateway", "container"),)
    opened = ports(settings)
    unit, folder = paths.GATEWAY_FIREWALL_UNIT, paths.GATEWAY
    return (
        File(FIREWALL, render("firewall.j2", {"ports": opened, "mark": GATEWAY_MARK}), mode=0o755),
        UnitFile(unit, render("onecard-firewall.service.j2", {"folder": folder})),
        Service(unit),
        OpenPorts(FIREWALL, unit, opened),
    )


def _certificate(settings: GatewaySettings) -> Resource:
    if settings.tls == "internal":
        return SelfSigned(CERTIFICATE, KEY, settings.domain, after=RELOAD)
    return AcmeCertificate(
        paths.GATEWAY_ACME, settings.domain, settings.email, settings.acme_server, renewed=RELOAD
    )


def _proxy(settings: GatewaySettings, back_ends: Sequence[BackEnd]) -> tuple[Resource, ...]:
    acme = settings.tls == "acme"
    variables = {
        "configuration": "",
        "port": settings.port,
        "body_mib": settings.body_mib,
        "metrics_port": settings.metrics_port,
        "boxes": [{"name": each.name, "place": each.place} for each in back_ends],
        "clients": settings.clients,
        "folder": paths.GATEWAY,
        "certificate": certificate_file(settings),
        "key": f"{paths.GATEWAY_ACME}/privkey.pem" if acme else KEY,
    }
    prepare = File(f"{paths.GATEWAY}/prepare", render("gateway-prepare.j2", variables), mode=0o755)
    # A new key of a box has to be taken over too: all of them go into the fingerprint.
    keys = hashlib.sha256("\0".join(each.key.reveal() for each in back_ends).encode()).hexdigest()
    blank = render("haproxy.cfg.j2", {**variables, "configuration": "none"})
    fingerprint = configuration(blank, prepare.content, keys)
    proxy = File(
        CONFIGURATION,
        render("haproxy.cfg.j2", {**variables, "configuration": fingerprint}),
        mode=0o640,
    )
    return (
        prepare,
        proxy,
        UnitFile(paths.GATEWAY_UNIT, render("onecard-gateway.service.j2", variables)),
        ReloadedService(
            paths.GATEWAY_UNIT,
            configuration=fingerprint,
            started_with=f"{paths.GATEWAY_RUN}/configuration",
        ),
    )


def absent() -> tuple[Resource, ...]:
    """Return everything that this role installs as absent."""
    script = render("firewall.j2", {"ports": (), "mark": GATEWAY_MARK})
    return (
        NoService(paths.GATEWAY_UNIT),
        NoOpenings(script, GATEWAY_MARK),
        NoService(paths.GATEWAY_FIREWALL_UNIT),
        NoAcmeCertificate(paths.GATEWAY_ACME),
        OwnPackagesRemoved(RECORD, QUIET, (*unexpose.LEFTOVERS, ("haproxy", "/run/haproxy"))),
        NoPath(paths.GATEWAY, wipe=("*.env", "key.pem")),
    )
