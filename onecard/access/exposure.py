"""Makes a host's API public, and takes that back."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import roles
from onecard.access.public import PublicApi, wait_until_public
from onecard.access.server_access import save_key, verify_api
from onecard.access.snippets import Endpoint
from onecard.api.address import is_every
from onecard.box import paths
from onecard.console.host_console import HostConsole
from onecard.credentials import client_copies
from onecard.credentials.secret import Secret
from onecard.engine.converge import converge
from onecard.engine.host_report import HostReport
from onecard.errors import CommandError, PreflightError, UsageError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.server.state import service_state
from onecard.settings.settings import ExposeSettings
from onecard.ssh.login import Connected, connected, holder
from roles import expose as role

DEADLINE_S = 60.0  # for the public address to answer once everything is installed


@dataclass(frozen=True)
class Exposure:
    """The result of `expose_host`. endpoint: where clients reach the API; None with `check`."""

    report: HostReport
    endpoint: Endpoint | None = None


def expose_host(host: Host, known_hosts: Path, console: HostConsole, *, check: bool) -> Exposure:
    """Make the API public and wait until its public address answers.

    Raises UsageError for settings that contradict each other, PreflightError for a box or a name
    that cannot be exposed, UnhealthyError when the server or the public address does not answer.
    """
    require_sense(host.name, host.settings.expose, "expose")
    report = HostReport(host.name)
    with connected(host, known_hosts) as box:
        state = service_state(box.session)
        verify_api(box, state)
        if is_every(state.options.get("host", "")):
            raise PreflightError(
                f"{host.name}: the server listens on every address: its plain port is public "
                "already; set serve.address: 127.0.0.1 and deploy first (nothing was changed)"
            )
        require_name(host.name, host.settings.expose, box.connection.address, console)
        exposed = (
            "ActiveState=active" in box.session.run(f"services show {paths.PROXY_UNIT}").output
        )
        port = host.settings.expose.port

        def guard(facts: Facts) -> None:
            nonlocal port
            require_free_ports(role.ports(host), facts, {"nginx"} if exposed else set())
            port = public_port(host, facts)

        converge(
            box.session,
            host,
            lambda host, facts: roles.wanted(("expose",), host, facts),
            listener=console,
            report=report,
            holder=holder("expose"),
            check=check,
            guard=guard,
        )
        if check:
            return Exposure(report)
        key_file = save_key(box)
        certificate = role.certificate_file(host)
        api = public_api(box, host.settings.expose, port, certificate)
        wait_until_public(api, Secret(key_file.read_text().strip()), DEADLINE_S)
    return Exposure(report, Endpoint(api.url, state.model, key_file, api.trusted))


def unexpose_host(
    host: Host, known_hosts: Path, console: HostConsole, *, check: bool
) -> HostReport:
    """Remove everything that `expose_host` installed, its packages included."""
    report = HostReport(host.name)
    with connected(host, known_hosts) as box:
        converge(
            box.session,
            host,
            lambda host, facts: roles.wanted(("unexpose",), host, facts),
            listener=console,
            report=report,
            holder=holder("unexpose"),
            check=check,
        )
    if not check:
        client_copies.remove_certificate(host.name)
    return report


def require_sense(name: str, wanted: ExposeSettings, block: str) -> None:
    """Raise UsageError for settings that contradict each other. block: of the settings."""
    flag = "add --domain api.example.org, or " if block == "expose" else ""
    if not wanted.domain:
        raise UsageError(f"{name}: no public name: {flag}set {block}.domain")
    domain, tls, port = (
        ("--domain", "add --tls internal", "--port")
        if block == "expose"
        else (f"{block}.domain", f"set {block}.tls: internal", f"{block}.port")
    )
    if wanted.tls == "acme" and _is_address(wanted.domain):
        raise UsageError(
            f"{domain}: {wanted.domain} is an address, and Let's Encrypt certifies names; {tls}"
        )
    if wanted.tls == "acme" and wanted.port == role.ACME_PORT:
        raise UsageError(f"{port}: 80 is where Let's Encrypt looks for its proof; choose another")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def require_name(name: str, wanted: ExposeSettings, address: str, console: HostConsole) -> None:
    """Raise PreflightError for a name that does not resolve; warn of one that leads elsewhere."""
    found = PublicApi(wanted.domain, wanted.port, address, "").resolved()
    if not found and wanted.tls == "acme":
        raise PreflightError(
            f"{name}: {wanted.domain} does not resolve: make a DNS record for it that leads "
            f"to {address}, then run this again (nothing was changed)"
        )
    if not found:
        console.say(
            f"warning: {wanted.domain} does not resolve here: clients need a DNS record or an "
            f"entry in their hosts file that leads to {address}",
            "yellow",
        )
    elif address not in found:
        console.say(
            f"warning: {wanted.domain} leads to {', '.join(found)}, while the box is logged in to "
            f"at {address}",
            "yellow",
        )


def require_free_ports(ports: Collection[int], facts: Facts, proxies: Collection[str]) -> None:
    """Raise PreflightError when a program other than our proxies, which run, has a port of ours."""
    for listener in facts.network.listeners:
        # A container's root may not see whose port it is.
        ours = bool(proxies) and listener.process in (*proxies, "")
        loopback = listener.address.startswith("127.") or listener.address == "::1"
        if listener.port in ports and not loopback and not ours:
            raise PreflightError(
                f"port {listener.port} on the box is taken by {listener.process or 'a program'} "
                f"(pid {listener.pid}): stop it, or choose another with --port (nothing was "
                "changed)"
            )


def public_port(host: Host, facts: Facts) -> int:
    """Return the public address's port that leads to the proxy.

    A pod's provider maps ports of its own choice to some of the pod's, and names them. Raises
    PreflightError for a port that it does not map.
    """
    wanted, mapped = host.settings.expose, facts.network.mapped
    if not mapped:
        return wanted.port
    if wanted.port not in mapped:
        inner = ", ".join(map(str, sorted(mapped)))
        raise PreflightError(
            f"{host.name}: the provider leads no public port to port {wanted.port} of this pod, "
            f"only to {inner}: let it expose TCP port {wanted.port}, or name another of these with "
            "--port (nothing was changed)"
        )
    if wanted.tls == "acme" and mapped.get(role.ACME_PORT) != role.ACME_PORT:
        raise PreflightError(
            f"{host.name}: Let's Encrypt looks at port 80 of {wanted.domain}, which does not lead "
            "to this pod; add --tls internal (nothing was changed)"
        )
    return mapped[wanted.port]


def public_api(
    box: Connected,
    wanted: ExposeSettings,
    port: int,
    certificate: str,
    copy: str = client_copies.CERTIFICATE,
) -> PublicApi:
    """Return a box's public API as clients reach it; save a self-signed certificate for them.

    certificate: its path on the box. copy: the name of the file on this computer.
    Raises CommandError where it cannot be read.
    """
    pem = box.session.run(f"cat {certificate}")
    if pem.code != 0:
        raise CommandError(f"{box.host.name}: the certificate cannot be read", pem.output)
    trusted: Path | None = None
    if wanted.tls == "internal":
        trusted = client_copies.save_certificate(box.host.name, pem.output + "\n", copy)
    return PublicApi(wanted.domain, port, box.connection.address, pem.output, trusted)
