"""The API no longer public: exactly what the role `expose` installed is removed."""

from __future__ import annotations

from onecard.box import paths
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.resources.absent import NoPath, NoService
from onecard.resources.apt.own_packages import OwnPackagesRemoved
from onecard.resources.base import Resource
from onecard.resources.system.certificate import NoAcmeCertificate
from onecard.resources.system.firewall import MARK, NoOpenings
from onecard.templates.render import render
from roles.expose import QUIET, RECORD

LEFTOVERS = (
    ("certbot", "/etc/letsencrypt"),
    ("certbot", "/var/lib/letsencrypt"),
    ("certbot", "/var/log/letsencrypt"),
)


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return proxy, firewall rules, certificate, packages and files as absent."""
    renewal = () if facts.machine.systemd else (NoService(paths.RENEWAL_UNIT),)
    return (
        NoService(paths.PROXY_UNIT),
        *renewal,
        NoOpenings(render("firewall.j2", {"ports": (), "mark": MARK})),
        NoService(paths.FIREWALL_UNIT),
        NoAcmeCertificate(paths.ACME),
        OwnPackagesRemoved(RECORD, QUIET, LEFTOVERS),
        NoPath(paths.EXPOSE, wipe=("key.pem",)),
    )
