"""The API no longer public: exactly what the role `expose` brought is gone again."""

from __future__ import annotations

from onecard import layout
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.absent import Gone, NoService
from onecard.resources.base import Resource
from onecard.resources.certificate import NoAcmeCertificate
from onecard.resources.firewall import MARK, NoOpenings
from onecard.resources.own_packages import PackagesGivenBack
from onecard.templates import render
from roles.expose import QUIET, RECORD

LEFTOVERS = (
    ("certbot", "/etc/letsencrypt"),
    ("certbot", "/var/lib/letsencrypt"),
    ("certbot", "/var/log/letsencrypt"),
)


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return proxy, firewall rules, certificate, packages and files as gone."""
    return (
        NoService(layout.PROXY_UNIT),
        NoOpenings(render("firewall.j2", {"ports": (), "mark": MARK})),
        NoService(layout.FIREWALL_UNIT),
        NoAcmeCertificate(layout.ACME),
        PackagesGivenBack(RECORD, QUIET, LEFTOVERS),
        Gone(layout.EXPOSE, wipe=("key.pem",)),
    )
