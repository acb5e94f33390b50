"""The server's journal: its lines as they come, and the diagnosis of a server from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from onecard.box.paths import UNIT
from onecard.diagnosis import NO_ERROR, NOT_SEEN_TO_ANSWER, Diagnosis, diagnose
from onecard.errors import UnhealthyError
from onecard.server.health import check_health
from onecard.server.start_journal import journal_of, journal_of_trouble, read_when_down
from onecard.server.state import service_state
from onecard.ssh.login import Connected

_FOREVER = 10.0**9  # seconds
_DIAGNOSED_LINES = 5000


def follow_journal(
    box: Connected, on_line: Callable[[str], None], *, lines: int, follow: bool
) -> int:
    """Pass the journal's last lines on, and with `follow` the new ones; return the exit code."""
    verb = "follow" if follow else "dated"
    # A quiet server is not a lost connection: nothing limits how long a follower waits.
    result = box.another_session(idle_timeout=_FOREVER).run(
        f"services {verb} {UNIT} {lines}", on_line=on_line, timeout=_FOREVER
    )
    return result.code


def diagnose_server(box: Connected) -> Diagnosis:
    """Diagnose a host's journal; only a server that answers is reported as without an error.

    Raises UnhealthyError where nothing is deployed and the journal is empty.
    """
    host = box.host
    state = service_state(box.session)
    trouble = check_health(box.session, state, host) if state.loaded else None
    silent = trouble is not None and not trouble.answers
    if state.down:
        text = read_when_down(box.session, state, _DIAGNOSED_LINES)
    elif state.loaded and trouble is None:
        # A server that answers is not ill because an earlier one died.
        text = box.session.run(journal_of(state, _DIAGNOSED_LINES)).output
    elif silent and not state.restarts:
        # That a server hangs is not explained by how an earlier one ended.
        text = box.session.run(journal_of_trouble(state)).output
    else:
        whole = f"services dated {UNIT} {_DIAGNOSED_LINES}"
        text = box.session.run(whole).output
    if not state.loaded and not text.strip():
        raise UnhealthyError(
            f"{host.name}: the journal holds nothing of {UNIT}; run: "
            f"invoke deploy --host {host.name}"
        )
    found = diagnose(text)
    if found.failure or trouble is None or trouble.answers:
        # The start may lie before the journal's last lines; the health check has seen it answer.
        return NO_ERROR if state.loaded and found == NOT_SEEN_TO_ANSWER else found
    # The advice to diagnose has been followed.
    fix = trouble.fix.removeprefix(f"invoke diagnose --host {host.name}; then ")
    cause = f"The journal names no error, but {trouble.message}."
    return replace(found, failure=not trouble.starting, cause=cause, fix=fix)
