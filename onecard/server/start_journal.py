"""The server's journal, by the starts that its lines belong to.

The service manager gives each start an invocation id. The journal of the unit as a whole holds the
ends of starts that are long past, and its last lines may begin in the middle of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from onecard.box import paths
from onecard.box.services import RESTART_SCHEDULED
from onecard.json_text import parse_json
from onecard.server.state import ServiceState
from onecard.ssh.shell import Session
from onecard.startup_log.phase import READY

_MOST_STARTS: Final = 5  # a unit's StartLimitBurst=
_STARTS: Final = f"services starts {paths.UNIT}"


def journal_of(state: ServiceState, lines: int = 2000) -> str:
    """Return the command that prints the end of this start's journal."""
    return _journal([state.invocation], lines)


def _journal(invocations: Iterable[str], lines: int) -> str:
    return f"services log {paths.UNIT} {lines} {' '.join(invocations)}"


# The end of the last start's journal, if the server is down; sent along with a probe of its state.
JOURNAL_WHEN_DOWN = f"""
shown=$(services show {paths.UNIT})
case $shown in *ActiveState=active* | *ActiveState=activating*) exit ;; esac
start=$(echo "$shown" | sed -n 's/^InvocationID=//p')
[ -z "$start" ] || {_journal(["$start"], 2000)}
"""


def journal_of_trouble(state: ServiceState, lines: int = 5000) -> str:
    """Return the command that prints the journal of a running server that does not answer.

    If the server was restarted automatically, the journals of its earlier starts are included.
    """
    if not state.restarts:
        return journal_of(state, lines)
    return f"services log {paths.UNIT} {lines}"


def read_when_down(session: Session, state: ServiceState, lines: int = 5000) -> str:
    """Read what explains that a server is down: the journal of its last start.

    How an earlier start ended does not explain that one which came up is down: it was stopped, or
    its own journal has the error. (With so many lines it came up too: a start writes a few hundred,
    a running server one for each request.) One that did not come up may have been stopped in the
    middle, after it had been started again: the failed starts before it are included. Empty if
    it has not been started since boot.
    """
    if not state.invocation:
        return ""
    journal = session.run(journal_of(state, lines)).output
    if READY in journal or journal.count("\n") >= lines - 1:
        return journal
    starts = read_restarts(session.run(_STARTS).output, state.invocation)
    return session.run(_journal(starts, lines)).output if len(starts) > 1 else journal


def read_restarts(output: str, last: str) -> Sequence[str]:
    """Return the invocation ids of a start and of those that were restarted into it.

    output: the service manager's messages of the unit, a JSON object a line, oldest first. The ids
    are in that order, `last` at their end, _MOST_STARTS at most.
    """
    messages = [each for line in output.splitlines() if (each := _message(line))]
    ids = list(dict.fromkeys(str(each.get("INVOCATION_ID", "")) for each in messages))
    again = {
        str(each.get("INVOCATION_ID"))
        for each in messages
        if each.get("MESSAGE_ID") == RESTART_SCHEDULED
    }
    earlier = ids[: ids.index(last)] if last in ids else []
    starts = [last]
    while earlier and earlier[-1] in again and len(starts) < _MOST_STARTS:
        starts.insert(0, earlier.pop())
    return starts


def _message(line: str) -> dict[str, Any]:
    """Return a message of the journal; empty for a line that is none, or was cut off."""
    try:
        found = parse_json(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
