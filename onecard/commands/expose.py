"""`invoke expose` and `invoke unexpose`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path

import roles
from onecard import cli, kept, layout
from onecard.address import is_every
from onecard.commands.tunnel import keep_key, require_answer
from onecard.connect import Connected, connected, holder
from onecard.console import HostConsole, progress_console
from onecard.engine import converge
from onecard.errors import CommandError, PreflightError, UsageError
from onecard.facts import Facts
from onecard.host import Host
from onecard.public import PublicApi, wait_until_public
from onecard.report import HostReport
from onecard.secret import Secret
from onecard.server import service_state
from onecard.snippets import Endpoint, curl_line
from roles import expose as role

DEADLINE = 60.0  # seconds for the public address to answer once everything is in place


def expose(
    requested: str,
    flags: Mapping[str, tuple[str, str | None]],
    *,
    check: bool,
    diff: bool,
    as_json: bool,
) -> int:
    """Make the API public and wait until its public address answers."""
    host = cli.with_flags(cli.chosen_host(requested), flags)
    _require_sense(host)
    console = HostConsole(
        progress_console(), host.name, show_plan=check, diff="all" if diff else "none"
    )
    report = HostReport(host.name)
    with connected(host, cli.known_hosts()) as box:
        state = service_state(box.session)
        require_answer(box, state)
        if is_every(state.options.get("host", "")):
            raise PreflightError(
                f"{host.name}: the server listens on every address: its plain port is public "
                "already; set serve.address: 127.0.0.1 and deploy first (nothing was changed)"
            )
        _require_name(host, box.wire.address, console)
        exposed = box.session.run(f"systemctl is-active -q {layout.PROXY_UNIT}").code == 0
        converge(
            box.session,
            host,
            lambda host, facts: roles.wanted(("expose",), host, facts),
            reporter=console,
            report=report,
            holder=holder("expose"),
            check=check,
            guard=lambda facts: _require_free_ports(host, facts, exposed=exposed),
        )
        if check:
            return _tell_check(host, report, as_json=as_json)
        key_file = keep_key(box)
        api = _public_api(box)
        wait_until_public(api, Secret(key_file.read_text().strip()), DEADLINE)
    endpoint = Endpoint(api.url, state.model, key_file, api.trusted)
    _tell(host, report, endpoint, api, as_json=as_json)
    return 0


def unexpose(requested: str, *, check: bool, as_json: bool) -> int:
    """Take back everything that `expose` did, the packages that it brought included."""
    host = cli.chosen_host(requested)
    console = HostConsole(progress_console(), host.name, show_plan=check)
    report = HostReport(host.name)
    with connected(host, cli.known_hosts()) as box:
        converge(
            box.session,
            host,
            lambda host, facts: roles.wanted(("unexpose",), host, facts),
            reporter=console,
            report=report,
            holder=holder("unexpose"),
            check=check,
        )
    if check:
        return _tell_check(host, report, as_json=as_json)
    kept.forget_certificate(host.name)
    if as_json:
        cli.print_json({"host": host.name, "status": report.status, "changed": report.changed})
    elif report.changed:
        print(f"{host.name}: no longer public; the API is reached with: invoke tunnel")
    else:
        print(f"{host.name}: nothing to do: it is not public")
    return 0


def _require_sense(host: Host) -> None:
    """Raise UsageError for settings that cannot go together."""
    wanted = host.settings.expose
    if not wanted.domain:
        raise UsageError(
            f"{host.name}: expose what? say --domain api.example.org, or set expose.domain"
        )
    if wanted.tls == "acme" and _is_address(wanted.domain):
        raise UsageError(
            f"--domain: {wanted.domain} is an address: Let's Encrypt is asked for names; add "
            "--tls internal"
        )
    if wanted.tls == "acme" and wanted.port == role.ACME_PORT:
        raise UsageError("--port: 80 is where Let's Encrypt looks for its proof; choose another")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _require_name(host: Host, address: str, console: HostConsole) -> None:
    """Raise PreflightError for a public name that does not resolve; warn of an odd one."""
    wanted = host.settings.expose
    found = PublicApi(wanted.domain, wanted.port, address, "").resolved()
    if not found and wanted.tls == "acme":
        raise PreflightError(
            f"{host.name}: {wanted.domain} does not resolve: make a DNS record for it that leads "
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


def _require_free_ports(host: Host, facts: Facts, *, exposed: bool) -> None:
    """Raise PreflightError when a program other than our proxy, if it runs, has a port of ours."""
    for listener in facts.network.listeners:
        ours = exposed and listener.process == "nginx"
        loopback = listener.address.startswith("127.") or listener.address == "::1"
        if listener.port in role.ports(host) and not loopback and not ours:
            raise PreflightError(
                f"port {listener.port} on the box is taken by {listener.process or 'a program'} "
                f"(pid {listener.pid}): stop it, or choose another with --port (nothing was "
                "changed)"
            )


def _public_api(box: Connected) -> PublicApi:
    wanted = box.host.settings.expose
    pem = box.session.run(f"cat {role.certificate_file(box.host)}")
    if pem.code != 0:
        raise CommandError(f"{box.host.name}: the certificate cannot be read", pem.output)
    trusted: Path | None = None
    if wanted.tls == "internal":
        trusted = kept.keep_certificate(box.host.name, pem.output + "\n")
    return PublicApi(wanted.domain, wanted.port, box.wire.address, pem.output, trusted)


def _tell_check(host: Host, report: HostReport, *, as_json: bool) -> int:
    if as_json:
        cli.print_json(report.to_json())
    elif not report.pending:
        print(f"{host.name}: nothing would change")
    return 0


def _tell(
    host: Host,
    report: HostReport,
    endpoint: Endpoint,
    api: PublicApi,
    *,
    as_json: bool,
) -> None:
    if as_json:
        cli.print_json(
            {
                "host": host.name,
                "status": report.status,
                "changed": report.changed,
                "url": endpoint.url,
                "model": endpoint.model,
                "key_file": str(endpoint.key_file),
                "certificate": str(api.trusted) if api.trusted else None,
            }
        )
        return
    verb = "public" if report.changed else "nothing to do: already public"
    print(f"{verb}: {endpoint.model} on {host.name} at {endpoint.url}")
    print("checked from here: 200 with the key, 401 without it, 404 outside /v1")
    if api.trusted:
        print(f"certificate  self-signed; clients trust this copy: {api.trusted}")
    print(f"key          {endpoint.key_file}")
    print(f"\n{curl_line(endpoint, 'Say hello.')}\n\nundo: invoke unexpose --host {host.name}")
