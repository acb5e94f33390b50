"""What ran before a measurement that restarts the server, and how it comes back.

A note of the release in force is left on the box, so that a run which was killed is put right by
the next one: it finds the note and keeps it. It holds while the box is as such a run leaves it:
one of the measurement's own releases is in force, or still that of the note. After a deploy or a
rollback of somebody's it is out of date.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from onecard import layout
from onecard.connect import connected, holder
from onecard.deployment import bring_into_force
from onecard.errors import BusyError, UnhealthyError
from onecard.facts import Facts
from onecard.host import Host
from onecard.plan import RolePlan
from onecard.releases import ReleaseInfo, list_releases, made_by
from onecard.runs import Record
from onecard.server import service_state
from onecard.session import Request, Session
from onecard.trial_console import TrialConsole
from roles import serve

COMMAND: Final = "scale"  # by this name its own releases are known again
NOTE: Final = f"{layout.HOME}/before-scale.json"
_PATIENCE_S: Final = 300.0  # that a start which was broken off may go on and hold the lock


@dataclass(frozen=True)
class Before:
    """What ran. active: it was running. ctx: in tokens.

    release: its number; 0, with the rest empty, where nothing had been deployed.
    """

    active: bool
    release: int
    fingerprint: str
    ctx: int
    model: str


def keep_before(session: Session) -> Before:
    """Note on the box which release is in force, unless the note of an earlier run still holds."""
    current = next((each for each in list_releases(session) if each.current), None)
    active = service_state(session).active in ("active", "activating", "reloading")
    before = Before(False, 0, "", 0, "")
    if current is not None:
        before = Before(active, current.number, current.fingerprint, current.ctx, current.model)
    left = session.run(f"cat {NOTE} 2>/dev/null").output
    before = which(Before(**json.loads(left)) if left.strip() else None, before, current)
    session.ask([Request("put", json.dumps(asdict(before)).encode(), NOTE)])
    return before


def which(noted: Before | None, now: Before, current: ReleaseInfo | None) -> Before:
    """Return what is to be put back: what an earlier run has noted, or what is in force now.

    current: the release in force, None where nothing has ever answered.
    """
    if noted is None:
        return now
    if current is not None and made_by(current, COMMAND):
        return noted
    if noted.release == now.release:  # broken off before a release of its own had answered
        return replace(noted, active=noted.active or now.active)
    return now


def restore(
    host: Host, known_hosts: Path, before: Before, shown: TrialConsole, record: Record
) -> None:
    """Bring back what ran before, over a connection of its own, and wait until it answers.

    The connection that was interrupted may be in the middle of an answer, so it is not used.
    Raises OnecardError; the note on the box is then kept.
    """

    def wanted(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
        return (RolePlan("serve", serve.again(host, before.release, before.fingerprint)),)

    with connected(host, known_hosts) as box:
        _lock(box.session)
        if before.release:
            bring_into_force(box, host, wanted, COMMAND, shown)
            trial = shown.trial or shown.look(box.session, host.settings.serve.ready_timeout)
            if not trial.first.answered:
                raise trial.error(host.name)
        if not before.active:
            box.session.run(f"systemctl stop {layout.UNIT}")
            if service_state(box.session).active not in ("inactive", "failed"):
                raise UnhealthyError(f"{host.name}: the server does not stop")
        box.session.run(f"rm -f {NOTE}")
    record.add("restored", **asdict(before))


def _lock(session: Session) -> None:
    """Take the lock; end a start of our own that was broken off and goes on by itself.

    Raises BusyError when another run holds it for long.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            session.ask([Request("lock", holder(COMMAND).encode())])
        except BusyError as error:
            if time.monotonic() > deadline:
                raise
            if f"(pid {os.getpid()})" in error.message:
                session.run(f"systemctl stop {layout.UNIT}")
            time.sleep(1.0)
        else:
            return
