"""`invoke provision` and `invoke plan`."""

from __future__ import annotations

from typing import Literal

from rich.console import Console

from onecard import cli
from onecard.console import progress_console, recap
from onecard.host import Host
from onecard.provision import provision as provision_hosts
from onecard.report import HostReport
from onecard.runs.reporter import NotedConsole
from onecard.runs.usual import Usual


def provision(requested: str, *, check: bool, diff: bool, reboot: bool, as_json: bool) -> int:
    """Bring the hosts to what their roles want; return the worst exit code.

    reboot: a box may be rebooted where a change needs it.
    """
    reports = _run(
        requested, check=check, diff=diff, as_json=as_json, command="provision", reboot=reboot
    )
    return max(report.exit_code for report in reports)


def plan(requested: str, *, diff: bool, exit_code: bool, as_json: bool) -> int:
    """Say what would change. Return 4 when something would and `exit_code` asks for it."""
    reports = _run(requested, check=True, diff=diff, as_json=as_json, command="plan")
    worst = max(report.exit_code for report in reports)
    return worst or (4 if exit_code and any(report.changed for report in reports) else 0)


def _run(
    requested: str,
    *,
    check: bool,
    diff: bool,
    as_json: bool,
    command: str,
    reboot: bool = False,
) -> list[HostReport]:
    hosts = cli.chosen_hosts(requested)
    console = progress_console()

    def make_console(host: Host) -> NotedConsole:
        lines: Literal["all", "none"] = "all" if diff else "none"
        return NotedConsole(
            console,
            host.name,
            usual=Usual(host),
            live=len(hosts) == 1,
            show_plan=check,
            diff=lines,
        )

    reports = provision_hosts(
        hosts,
        cli.known_hosts(),
        make_console,
        command=command,
        check=check,
        allow_reboot=reboot,
    )
    for report in reports:
        if report.error:
            about = report.error.removeprefix(f"{report.host}: ")  # the wire names its host itself
            cli.show_error(f"{report.host}: {about}", report.detail)
    if as_json:
        cli.print_json({"hosts": [report.to_json() for report in reports]})
    else:
        recap(reports, Console(highlight=False), check=check)
    return reports
