"""Health check of the server: whether it answers, and if not, what is wrong and what to do.

A unit that is active for systemd may hang, still load, or crash and restart for ever. So its
/health is requested, from the box itself and with a short timeout.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from onecard.box import health as program
from onecard.box import paths
from onecard.errors import UnhealthyError
from onecard.inventory.host import Host
from onecard.resources.base import fields
from onecard.server.state import ServiceState, service_state
from onecard.ssh.login import Connected
from onecard.ssh.shell import Session

WAIT_S: Final = 10  # a server that is busy with long prompts may take seconds
RECENT_S: Final = 3600.0
OK: Final = "200"


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a server, in one line, and what to do.

    answers: it does answer, but crashes. starting: it may answer soon.
    """

    message: str
    fix: str
    answers: bool = False
    starting: bool = False


class NotServingError(UnhealthyError):
    """The server is deployed but does not answer."""

    def __init__(self, host: str, trouble: Trouble) -> None:
        super().__init__(f"{host}: {trouble.message}; {trouble.fix}")
        self.trouble = trouble


def require_answer(session: Session, state: ServiceState, host: Host) -> None:
    """Check a deployed server's /health. Raises NotServingError if it does not answer."""
    trouble = check_health(session, state, host)
    if trouble is not None and not trouble.answers:
        raise NotServingError(host.name, trouble)


def check_health(session: Session, state: ServiceState, host: Host) -> Trouble | None:
    """Return what is wrong with a deployed server, None if nothing is; one round trip if it runs.

    It takes WAIT_S seconds at most.
    """
    answer = "refused" if state.down else request_health(session, state)
    return judge(state, answer, host.name, host.settings.serve.ready_timeout)


def health_trouble(box: Connected) -> str:
    """Return why the server does not answer /health, empty if it does."""
    trouble = check_health(box.session, service_state(box.session), box.host)
    return "" if trouble is None or trouble.answers else trouble.message


def request_health(session: Session, state: ServiceState) -> str:
    """Return the result of GET /health: an HTTP status, `refused`, `silent` or `lost (why)`.

    Empty if the box cannot send it.
    """
    words = (state.address, str(state.port), paths.API_KEY, str(WAIT_S))
    script = (
        f"timeout {2 * WAIT_S} python3 -I -B - {shlex.join(words)} <<'@end' 2>/dev/null\n"
        f"{_source()}@end\n"
        "[ $? != 124 ] || echo health=silent\n"
    )
    return fields(session.run(script).output).get("health", "")


def judge(state: ServiceState, answer: str, host: str, ready_timeout: int) -> Trouble | None:
    """Return what is wrong with a deployed server, given the result of `request_health`.

    ready_timeout: longest start, in seconds.
    """
    url = f"{state.url}/health"

    def do(*commands: str) -> str:
        return "; then ".join(f"invoke {command} --host {host}" for command in commands)

    times = f"{state.restarts} time{'' if state.restarts == 1 else 's'}"
    again = f"the service manager has started it again {times}"
    if answer == OK:
        if state.restarts and state.seconds < RECENT_S:
            return Trouble(
                f"the server answers /health, but it crashes: {again}, the last time "
                f"{state.seconds:.0f} s ago",
                do("diagnose"),
                answers=True,
            )
        return None
    if state.down:
        return Trouble(
            f"the server is down: its unit is {state.active}, nothing answers at {url} on the box",
            do("diagnose", "start"),
        )
    # One that hangs, or answers wrongly, is not crashing now, whatever it did before.
    if state.sub == "auto-restart" or (state.restarts and answer == "refused"):
        return Trouble(
            f"the server crashes in a loop: {again} and it does not answer {url} on the box "
            f"(its unit is {state.active}, {state.sub or 'unknown'})",
            do("diagnose", "stop"),
        )
    if answer == "refused" and state.seconds < ready_timeout:
        return Trouble(
            f"the server is starting, for {state.seconds:.0f} s now: nothing answers yet at {url} "
            "on the box",
            f"wait; how far it is: {do('logs')}",
            starting=True,
        )
    how = {
        "silent": f"the server hangs: it gives no answer within {WAIT_S} s",
        "refused": f"the server does not listen after {state.seconds:.0f} s",
        "": "the health check could not run: the box lacks python3",
    }.get(answer, f"the server does not answer as it should ({_words(answer)})")
    return Trouble(
        f"{how} at {url} on the box, though its unit is {state.active}", do("logs", "restart")
    )


def _words(answer: str) -> str:
    return f"HTTP {answer}" if answer.isdigit() else answer


@cache
def _source() -> str:
    return Path(program.__file__).read_text("utf-8")
