"""Starts, stops and restarts the server that is deployed."""

from __future__ import annotations

from onecard.box.paths import PROXY_UNIT, UNIT
from onecard.deploy.start_display import StartDisplay
from onecard.deploy.startup_check import StartupCheck
from onecard.deploy.watch import check_installed
from onecard.errors import CommandError, UnhealthyError
from onecard.resources.base import fields
from onecard.server.health import health_trouble
from onecard.server.state import ServiceState, service_state
from onecard.ssh.login import Connected, holder
from onecard.ssh.shell import Request


def stop_server(box: Connected) -> None:
    """Stop the server. Raises CommandError if it runs on."""
    _control(box, "stop")
    after = service_state(box.session)
    if after.active not in ("inactive", "failed"):
        raise CommandError(f"{box.host.name}: the server is still {after.active}")


def start_server(
    box: Connected, display: StartDisplay, *, restart: bool
) -> tuple[ServiceState, StartupCheck]:
    """Start or restart the server and wait until it answers; return its state before, the check.

    A server that answers is never stopped because something else went wrong; one that was killed
    is left to the service manager, which starts it again. Raises the startup check's error.
    """
    before = _control(box, "restart" if restart else "start")
    is_new = restart or before.active != "active"
    check = check_installed(box, box.host.settings.serve.ready_timeout, display, is_new=is_new)
    if check.reported and not check.first.answered:
        _end_attempts(box, check)
    if error := check.error(box.host.name):
        raise error
    if _is_public_address_down(box):
        again = f"invoke expose --host {box.host.name}"
        display.say(f"warning: the public address is down; run: {again}", "yellow")
    return before, check


def _end_attempts(box: Connected, check: StartupCheck) -> None:
    """Leave a server stopped that is known not to start: the service manager would go on trying."""
    if service_state(box.session).result == "signal":  # nothing of the server's own
        check.note_retry()
    elif health_trouble(box):
        box.session.run(f"services stop {UNIT}; services reset {UNIT}")
        check.note_stopped()


def _is_public_address_down(box: Connected) -> bool:
    """Return whether the API was made public and is not: a stop of a pod deletes nginx."""
    shown = fields(box.session.run(f"services show {PROXY_UNIT}").output)
    return shown.get("UnitFileState") == "enabled" and shown.get("ActiveState") != "active"


def _control(box: Connected, verb: str) -> ServiceState:
    """Have the service manager do it; return its state before. Raises UnhealthyError if absent."""
    name, state = box.host.name, service_state(box.session)
    if not state.loaded:
        raise UnhealthyError(state.absence(name))
    commands = f"services reset {UNIT}; services {verb} {UNIT}"
    done = box.session.send([Request("lock", holder(verb).encode()), Request.run(commands)])[-1]
    if done.code != 0:
        raise CommandError(f"{name}: {verb} failed", done.output)
    return state
