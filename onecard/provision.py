"""`invoke provision` and `invoke plan`: several hosts at once, each in a report of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import roles
from onecard.connect import Connected, connected, holder
from onecard.console import HostConsole
from onecard.doctor import blockers, preflight
from onecard.engine import converge
from onecard.errors import OnecardError, PreflightError, RebootNeededError
from onecard.facts import Facts
from onecard.host import Host
from onecard.reboot import reboot
from onecard.report import HostReport
from onecard.session import Session

AT_ONCE = 8


def provision(
    hosts: Sequence[Host],
    known_hosts: Path,
    make_console: Callable[[Host], HostConsole],
    *,
    command: str,
    check: bool = False,
    allow_reboot: bool = False,
) -> list[HostReport]:
    """Provision every host and return a report for each; an error ends its host alone.

    command: the task's name, for whoever finds the box locked. check: only say what would change.
    allow_reboot: reboot where a change needs it, also where the host's settings do not allow it.
    """

    opened: list[Connected] = []

    def one(host: Host) -> HostReport:
        report = HostReport(host.name)
        console = make_console(host)
        try:
            with connected(host, known_hosts) as box:
                opened.append(box)
                may_reboot = allow_reboot or host.settings.allow_reboot
                converge(
                    box.session,
                    host,
                    roles.provision,
                    reporter=console,
                    guard=lambda facts: _preflight(facts, host, console),
                    report=report,
                    holder=holder(command),
                    check=check,
                    reboot=partial(_reboot, box, console) if may_reboot else None,
                )
        except OnecardError as error:
            report.error, report.detail = error.message, error.detail
            report.reboot_needed = isinstance(error, RebootNeededError)
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


def _reboot(box: Connected, console: HostConsole, reason: str) -> Session:
    console.say(f"{reason}: rebooting", "yellow")
    started = time.monotonic()
    session = reboot(
        box,
        deadline_s=box.host.settings.reboot_timeout,
        waiting=lambda seconds: console.waiting("rebooting", seconds),
    )
    console.arrived(f"back after {time.monotonic() - started:.0f} s")
    return session


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
