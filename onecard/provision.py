"""`invoke provision` and `invoke plan`: several hosts at once, each in a report of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import roles
from onecard.connect import Connected, connected, holder
from onecard.console import HostConsole
from onecard.doctor import blockers, preflight
from onecard.engine import converge
from onecard.errors import OnecardError, PreflightError
from onecard.facts import Facts
from onecard.host import Host
from onecard.report import HostReport
from onecard.runs import recorded
from onecard.runs.reporter import Noting

AT_ONCE = 8


def provision(
    hosts: Sequence[Host],
    known_hosts: Path,
    make_console: Callable[[Host], HostConsole],
    *,
    command: str,
    check: bool = False,
) -> list[HostReport]:
    """Provision every host and return a report for each; an error ends its host alone.

    command: the task's name, for whoever finds the box locked. check: only say what would change.
    """

    opened: list[Connected] = []

    def one(host: Host) -> HostReport:
        report = HostReport(host.name)
        console = make_console(host)
        try:
            with (
                recorded("provision", host, keep=not check, report=report) as record,
                connected(host, known_hosts) as box,
            ):
                opened.append(box)
                converge(
                    box.session,
                    host,
                    roles.provision,
                    reporter=Noting(record, console),
                    guard=lambda facts: _preflight(facts, host, console),
                    report=report,
                    holder=holder(command),
                    check=check,
                )
        except OnecardError as error:
            report.error, report.detail = error.message, error.detail
            report.exit_code = error.exit_code
        return report

    with ThreadPoolExecutor(min(AT_ONCE, len(hosts))) as pool:
        try:
            return list(pool.map(one, hosts))
        except KeyboardInterrupt:
            # The jobs on the boxes end by themselves; only the watching ends here and now.
            for box in opened:
                box.wire.close()
            raise


def _preflight(facts: Facts, host: Host, console: HostConsole) -> None:
    """Tell the warnings; raise PreflightError where a fact forbids the run."""
    checks = preflight(facts, host.settings)
    for check in checks:
        if check.status == "warning":
            console.say(f"warning: {check.message}; {check.fix}", "yellow")
    found = blockers(checks)
    if found:
        others = "\n".join(f"{check.message}; {check.fix}" for check in found[1:])
        raise PreflightError(f"{found[0].message}; {found[0].fix} (nothing was changed)", others)
