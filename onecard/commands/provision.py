"""`invoke provision` and `invoke plan`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

from onecard.cli import targets
from onecard.cli.output import print_json, show_error
from onecard.engine.timings import Timings
from onecard.errors import UsageError
from onecard.provision.begun_login import BegunLogin
from onecard.ssh.transport import early_socket

if TYPE_CHECKING:  # rich is loaded while the login waits for the box
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from onecard.console.host_console import HostConsole
    from onecard.engine.host_report import HostReport
    from onecard.inventory.host import Host
    from onecard.ssh.transport.early_socket import EarlySocket


def provision(
    requested: str,
    *,
    check: bool,
    diff: bool,
    reboot: bool,
    parallel: int,
    any_errors_fatal: bool,
    timings: bool,
    as_json: bool,
    warm: bool = False,
) -> int:
    """Bring the hosts to what their roles want; return the worst exit code.

    reboot: a box may be rebooted where a change needs it. parallel: hosts at once, at most.
    any_errors_fatal: after an error the hosts that still wait are not begun.
    timings: show where the time went. warm: fill the compile caches by a start and a stop.
    """
    if warm and check:
        raise UsageError("--warm starts the server, and --check changes nothing; leave one out")
    reports = _run(
        requested,
        check=check,
        diff=diff,
        as_json=as_json,
        command="provision",
        reboot=reboot,
        parallel=parallel,
        any_errors_fatal=any_errors_fatal,
        warm=warm,
    )
    if timings and not as_json:
        from onecard.console.timings_table import print_timings

        print_timings(reports)
    return max(report.exit_code for report in reports)


def plan(
    requested: str, *, facts: str, diff: bool, exit_code: bool, parallel: int, as_json: bool
) -> int:
    """Show what would change. Return 4 when something would and `exit_code` is set.

    facts: a file of facts to plan for, with no connection; empty for the hosts themselves.
    """
    if facts:
        if diff:
            raise UsageError("--diff: the lines of files are not part of --facts; leave one out")
        return _replayed(facts, requested, exit_code=exit_code, as_json=as_json)
    reports = _run(
        requested, check=True, diff=diff, as_json=as_json, command="plan", parallel=parallel
    )
    worst = max(report.exit_code for report in reports)
    return worst or (4 if exit_code and any(report.changed for report in reports) else 0)


def _replayed(facts: str, requested: str, *, exit_code: bool, as_json: bool) -> int:
    from onecard.cli.replayed import replayed
    from onecard.console.terminal import Terminal
    from onecard.provision.replayed_plan import replayed_plan
    from onecard.provision.replayed_plan_table import print_replayed_plan

    replay, host = replayed(facts, requested)
    found = replayed_plan(replay, host)
    for check in found.blockers:
        show_error(f"{found.host}: {check.message}; {check.fix}")
    if as_json:
        print_json(found.to_json())
    else:
        print_replayed_plan(found, Terminal())
    if found.blockers:
        return 1
    return 4 if exit_code and found.pending else 0


def _run(
    requested: str,
    *,
    check: bool,
    diff: bool,
    as_json: bool,
    command: str,
    parallel: int,
    reboot: bool = False,
    any_errors_fatal: bool = False,
    warm: bool = False,
) -> list[HostReport]:
    before = Timings()
    before.since_start("interpreter, Invoke, imports")
    known_hosts = targets.known_hosts()
    with before.stage("inventory"):
        early = early_socket.begin(known_hosts.parent, requested)
        hosts = targets.chosen_hosts(requested)
    begun = _begun(hosts[:parallel], known_hosts, early)
    with before.stage("imports"):
        from onecard.provision.provision_hosts import provision as provision_hosts

    @cache
    def progress() -> Console:
        from onecard.console.host_console import progress_console

        return progress_console()

    def make_console(host: Host) -> HostConsole:
        from onecard.console.host_console import HostConsole
        from onecard.records.usual import Usual

        lines: Literal["all", "none"] = "all" if diff else "none"
        return HostConsole(
            progress(),
            host.name,
            usual=Usual(host),
            live=len(hosts) == 1,
            show_plan=check,
            diff=lines,
        )

    reports = provision_hosts(
        hosts,
        known_hosts,
        make_console,
        command=command,
        check=check,
        allow_reboot=reboot,
        parallel=parallel,
        any_errors_fatal=any_errors_fatal,
        before=before.stages,
        begun=begun,
    )
    reached = {name: login.reached for name, login in begun.items() if login.reached}
    early_socket.remember(known_hosts.parent, requested, reached)
    if warm:
        _warm(requested, reports)
    _show(reports, as_json=as_json, check=check)
    return reports


def _begun(
    hosts: Sequence[Host], known_hosts: Path, early: Mapping[str, EarlySocket]
) -> dict[str, BegunLogin]:
    """Begin the logins, over the connections that were made early."""
    return {host.name: BegunLogin(host, known_hosts, early.get(host.name)) for host in hosts}


def _show(reports: list[HostReport], *, as_json: bool, check: bool) -> None:
    for report in reports:
        if report.error:
            # SSH errors name the host themselves.
            about = report.error.removeprefix(f"{report.host}: ")
            show_error(f"{report.host}: {about}", report.detail)
    if as_json:
        print_json({"hosts": [report.to_json() for report in reports]})
    else:
        from onecard.console.host_console import recap
        from onecard.console.terminal import Terminal

        recap(reports, Terminal(), check=check)


def _warm(requested: str, reports: list[HostReport]) -> None:
    """Fill the compile caches of the hosts that are provisioned, one after another."""
    from onecard.commands.running.warm import warm

    # Read again: provision has written the lock of a host that had none.
    hosts = {host.name: host for host in targets.chosen_hosts(requested)}
    for report in reports:
        if report.exit_code == 0:
            warm(hosts[report.host], report)
