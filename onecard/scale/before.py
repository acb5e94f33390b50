"""What ran before a measurement that restarts the server, and how it comes back.

A note of the release in force is left on the box, so that a run which was killed is put right by
the next one: it finds the note and keeps it.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from onecard import layout
from onecard.connect import connected, holder
from onecard.deployment import bring_into_force
from onecard.errors import BusyError, UnhealthyError
from onecard.facts import Facts
from onecard.host import Host
from onecard.plan import RolePlan
from onecard.releases import list_releases
from onecard.runs import Record
from onecard.server import service_state
from onecard.session import Request, Session
from onecard.trial_console import TrialConsole
from roles import serve

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
    """Note on the box which release is in force, unless an earlier run has left its note."""
    left = session.run(f"cat {NOTE} 2>/dev/null").output
    if left.strip():
        return Before(**json.loads(left))
    state = service_state(session)
    current = next((each for each in list_releases(session) if each.current), None)
    active = state.active in ("active", "activating", "reloading")
    before = Before(False, 0, "", 0, "")
    if current is not None:
        before = Before(active, current.number, current.fingerprint, current.ctx, current.model)
    session.ask([Request("put", json.dumps(asdict(before)).encode(), NOTE)])
    return before


def restore(
    host: Host, known_hosts: Path, before: Before, console: Console, record: Record
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
            shown = TrialConsole(console, host.name)
            bring_into_force(box, host, wanted, "scale", shown)
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
            session.ask([Request("lock", holder("scale").encode())])
        except BusyError as error:
            if time.monotonic() > deadline:
                raise
            if f"(pid {os.getpid()})" in error.message:
                session.run(f"systemctl stop {layout.UNIT}")
            time.sleep(1.0)
        else:
            return
