"""Restores an earlier release of a host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onecard.deploy.console import DeployConsole
from onecard.deploy.deployment import restore_release
from onecard.deploy.startup_check import StartupCheck
from onecard.inventory.host import Host, with_api_key
from onecard.server.releases import ReleaseInfo, list_releases, target
from onecard.ssh.login import connected


@dataclass(frozen=True)
class Rollback:
    """The release that was chosen, whether the box had to be changed, and the startup check."""

    release: ReleaseInfo
    changed: bool
    check: StartupCheck


def roll_back(
    host: Host, known_hosts: Path, console: DeployConsole, number: int | None
) -> Rollback:
    """Restore a release and wait until it answers; a failed start is in the check.

    number: of the release; None for the last good one before the current one. Raises PreflightError
    where there is no such release, or it never answered.
    """
    host = with_api_key(host)
    with connected(host, known_hosts) as box:
        chosen = target(list_releases(box.session), number)
        plan, check = restore_release(
            box,
            host,
            console,
            command="rollback",
            release=chosen.number,
            fingerprint=chosen.fingerprint,
        )
    return Rollback(chosen, bool(plan.changes), check)
