"""`invoke provision` and `invoke plan`: several hosts at once, each in a report of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import roles
from onecard.connect import connected, holder
from onecard.console import HostConsole
from onecard.doctor import blockers, preflight
from onecard.engine import Reporter, converge
from onecard.errors import OnecardError, PreflightError
from onecard.facts import Facts
from onecard.host import Host
from onecard.report import HostReport

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

    def one(host: Host) -> HostReport:
        report = HostReport(host.name)
        try:
            with connected(host, known_hosts) as box:
                converge(
                    box.session,
                    host,
                    roles.provision,
                    reporter=Preflight(make_console(host), host),
                    report=report,
                    holder=holder(command),
                    check=check,
                )
        except OnecardError as error:
            report.error, report.detail = error.message, error.detail
            report.exit_code = error.exit_code
        return report

    with ThreadPoolExecutor(min(AT_ONCE, len(hosts))) as pool:
        return list(pool.map(one, hosts))


class Preflight(Reporter):
    """Passes everything on to a host's console, and stops the run where the facts forbid it."""

    def __init__(self, console: HostConsole, host: Host) -> None:
        self._console = console
        self._host = host
        self.planned = console.planned  # type: ignore[method-assign]
        self.begin = console.begin  # type: ignore[method-assign]
        self.line = console.line  # type: ignore[method-assign]
        self.end = console.end  # type: ignore[method-assign]

    def facts(self, facts: Facts) -> None:
        self._console.facts(facts)
        checks = preflight(facts, self._host.settings)
        for check in checks:
            if check.status == "warning":
                self._console.say(f"warning: {check.message}; {check.fix}", "yellow")
        found = blockers(checks)
        if found:
            others = "\n".join(f"{check.message}; {check.fix}" for check in found[1:])
            first = found[0]
            raise PreflightError(f"{first.message}; {first.fix} (nothing was changed)", others)
