"""`invoke expose` and `invoke unexpose`."""

from __future__ import annotations

from collections.abc import Mapping

from onecard.access.exposure import expose_host, unexpose_host
from onecard.access.snippets import Endpoint, curl_line
from onecard.cli import flag_values, targets
from onecard.cli.output import print_json
from onecard.console.host_console import HostConsole, progress_console
from onecard.engine.host_report import HostReport
from onecard.inventory.host import Host


def expose(
    requested: str,
    flags: Mapping[str, tuple[str, str | None]],
    *,
    check: bool,
    diff: bool,
    as_json: bool,
) -> int:
    """Make the API public and wait until its public address answers."""
    host = flag_values.with_flags(targets.chosen_host(requested), flags)
    console = HostConsole(
        progress_console(), host.name, show_plan=check, diff="all" if diff else "none"
    )
    done = expose_host(host, targets.known_hosts(), console, check=check)
    if done.endpoint is None:
        return _print_check(host, done.report, as_json=as_json)
    _print(host, done.report, done.endpoint, as_json=as_json)
    return 0


def unexpose(requested: str, *, check: bool, as_json: bool) -> int:
    """Remove everything that `expose` installed, its packages included."""
    host = targets.chosen_host(requested)
    console = HostConsole(progress_console(), host.name, show_plan=check)
    report = unexpose_host(host, targets.known_hosts(), console, check=check)
    if check:
        return _print_check(host, report, as_json=as_json)
    if as_json:
        print_json({"host": host.name, "status": report.status, "changed": report.changed})
    elif report.changed:
        print(f"{host.name}: no longer public; the API is reached with: invoke tunnel")
    else:
        print(f"{host.name}: nothing to do: it is not public")
    return 0


def _print_check(host: Host, report: HostReport, *, as_json: bool) -> int:
    if as_json:
        print_json(report.to_json())
    elif not report.pending:
        print(f"{host.name}: nothing would change")
    return 0


def _print(host: Host, report: HostReport, endpoint: Endpoint, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "host": host.name,
                "status": report.status,
                "changed": report.changed,
                "url": endpoint.url,
                "model": endpoint.model,
                "key_file": str(endpoint.key_file),
                "certificate": str(endpoint.certificate) if endpoint.certificate else None,
            }
        )
        return
    verb = "public" if report.changed else "nothing to do: already public"
    print(f"{verb}: {endpoint.model} on {host.name} at {endpoint.url}")
    print("checked from here: 200 with the key, 401 without it, 404 outside /v1")
    if endpoint.certificate:
        print(f"certificate  self-signed; clients trust this copy: {endpoint.certificate}")
    print(f"key          {endpoint.key_file}")
    print(f"\n{curl_line(endpoint, 'Say hello.')}\n\nundo: invoke unexpose --host {host.name}")
