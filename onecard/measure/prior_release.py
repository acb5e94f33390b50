"""Restores what ran before a measurement that restarts the server.

A note of the current release is left on the box, so that the next run can restore what a killed
one did not: it finds the note and uses it. The note is valid while the box is as such a run leaves
it: the current release is one of such a measurement, or still that of the note. After another
deploy or rollback it is out of date.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from onecard.box import paths
from onecard.deploy.console import DeployConsole, deploy_console
from onecard.deploy.deployment import restore_release
from onecard.errors import BusyError, OnecardError, UnhealthyError
from onecard.inventory.host import Host
from onecard.json_text import parse_json
from onecard.records import Record
from onecard.server.releases import ReleaseInfo, current_release, made_by
from onecard.server.state import service_state
from onecard.ssh.login import connected, holder
from onecard.ssh.shell import Request, Session

COMMANDS: Final = ("scale", "tune")  # their own releases are recognized by these names
NOTE: Final = f"{paths.HOME}/before-measurement.json"
_LOCK_TIMEOUT_S: Final = 300.0  # a start that was broken off may continue and hold the lock


@dataclass(frozen=True)
class PriorRelease:
    """What ran. active: it was running. ctx: in tokens.

    release: its number; 0, with the rest empty, where nothing had been deployed.
    """

    active: bool
    release: int
    fingerprint: str
    ctx: int
    model: str


def save_prior(session: Session) -> PriorRelease:
    """Note on the box which release is current, unless the note of an earlier run still holds."""
    before, current = running(session)
    left = session.run(f"cat {NOTE} 2>/dev/null").output
    before = to_restore(_read(left), before, current)
    session.send([Request("put", json.dumps(asdict(before)).encode(), NOTE)])
    return before


def running(session: Session) -> tuple[PriorRelease, ReleaseInfo | None]:
    """Return what runs now, and the current release; None where nothing has ever answered."""
    current = current_release(session)
    if current is None:
        return PriorRelease(False, 0, "", 0, ""), None
    active = service_state(session).active in ("active", "activating", "reloading")
    now = PriorRelease(active, current.number, current.fingerprint, current.ctx, current.model)
    return now, current


def to_restore(
    noted: PriorRelease | None, now: PriorRelease, current: ReleaseInfo | None
) -> PriorRelease:
    """Return what is to be restored: what an earlier run has noted, or what is current now.

    current: the current release, None where nothing has ever answered.
    """
    if noted is None:
        return now
    if current is not None and any(made_by(current, command) for command in COMMANDS):
        return noted
    if noted.release == now.release:  # broken off before a release of its own had answered
        return replace(noted, active=noted.active or now.active)
    return now


def restore_prior(
    host: Host,
    known_hosts: Path,
    before: PriorRelease,
    console: Console,
    record: Record,
    *,
    command: str,
    intent: str = "putting back what ran before",
) -> OnecardError | None:
    """Restore what ran before; record and return the error when that fails.

    command: the measurement's name. intent: what is printed. An error leaves the note on the box.
    """
    shown = deploy_console(host, console)
    what = f"release {before.release}, {before.model} at {before.ctx:,}"
    shown.say(f"{intent}: {what if before.release else 'nothing'}")
    try:
        _restore(command, host, known_hosts, before, shown)
    except OnecardError as error:
        record.failure(error)
        return error
    record.add("restored", **asdict(before))
    return None


def _restore(
    command: str, host: Host, known_hosts: Path, before: PriorRelease, console: DeployConsole
) -> None:
    """Restore it over a connection of its own, and wait until it answers.

    The connection that was interrupted may be in the middle of an answer, so it is not used.
    """
    with connected(host, known_hosts) as box:
        _lock(box.session, command)
        if before.release:
            _, check = restore_release(
                box,
                host,
                console,
                command=command,
                release=before.release,
                fingerprint=before.fingerprint,
            )
            if error := check.error(host.name):
                raise error
        if not before.active:
            box.session.run(f"services stop {paths.UNIT}")
            if service_state(box.session).active not in ("inactive", "failed"):
                raise UnhealthyError(f"{host.name}: the server does not stop")
        box.session.run(f"rm -f {NOTE}")


def _lock(session: Session, command: str) -> None:
    """Take the lock; end an interrupted start of our own, which goes on by itself.

    Raises BusyError when another run holds it for long.
    """
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            session.send([Request("lock", holder(command).encode())])
        except BusyError as error:
            if time.monotonic() > deadline:
                raise
            if f"(pid {os.getpid()})" in error.message:
                session.run(f"services stop {paths.UNIT}")
            time.sleep(1.0)
        else:
            return


def _read(note: str) -> PriorRelease | None:
    """Return what a note holds. One that is half written changed nothing yet: it is none."""
    try:
        return PriorRelease(**parse_json(note))
    except (ValueError, TypeError):
        return None
