"""How long a server has been idle, by its own counters and a note on the box.

A counter says how much was done, not when. So each look notes the counters on the box, with the
time since when they have stood still. The next look, of any computer, compares: whatever was
answered, refused or aborted in between has moved one of them. A restart begins anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from onecard.api.metrics import read_metrics
from onecard.box import paths
from onecard.errors import ProbeError, UnhealthyError
from onecard.json_text import parse_json
from onecard.server.client import client
from onecard.server.state import ServiceState, service_state
from onecard.ssh.answer_lines import real
from onecard.ssh.login import Connected
from onecard.ssh.shell import Request, Session

_NOTE: Final = f"{paths.HOME}/idle.json"
_READ: Final = f"cut -d ' ' -f 1 /proc/uptime; cat {_NOTE} 2>/dev/null || :"
_COUNTERS: Final[tuple[str, ...]] = (
    "finished",
    "prompt_tokens",
    "generation_tokens",
    "preemptions",
)
_TIMEOUT_S: Final = 30.0
IN_USE, IDLE, STOPPED = "in use", "idle", "stopped"


@dataclass(frozen=True)
class IdleNote:
    """What a look leaves on the box.

    invocation: the start that the counters belong to. since_s: since when they have stood still, in
    seconds since the machine's boot, which no change of its clock moves.
    """

    invocation: str
    counters: dict[str, float]
    since_s: float


@dataclass(frozen=True)
class Idleness:
    """One look at a server.

    status: `in use`: a request runs or waits; `idle`; `stopped`: on purpose, the unit is inactive.
    idle_s: for how long at least it has been idle or stopped, 0 while in use.
    is_first: nothing was noted before of this start, so how long it was idle before is not known.
    """

    status: str
    idle_s: float
    running: int = 0
    waiting: int = 0
    is_first: bool = False


def look(box: Connected) -> Idleness:
    """Read the server's counters, compare them with the note, and note them.

    Raises NotServingError where the server is meant to run and does not answer, UnhealthyError
    where nothing is deployed or it has no counters: nothing is known of its use.
    """
    state = service_state(box.session)
    if state.loaded and state.active == "inactive":
        return Idleness(STOPPED, round(state.seconds, 1))
    with client(box, state, timeout_s=_TIMEOUT_S) as api:
        uptime_s, noted = _read(box.session)
        metrics = read_metrics(api.metrics())
    if not metrics:
        raise UnhealthyError(
            f"{box.host.name}: the server reports no counters at /metrics (--disable-log-stats), "
            "so nothing is known of its use"
        )
    note, found = judge(state, metrics, uptime_s, noted)
    box.session.send([Request("put", json.dumps(asdict(note)).encode(), _NOTE)])
    return found


def judge(
    state: ServiceState, metrics: dict[str, float], uptime_s: float, noted: IdleNote | None
) -> tuple[IdleNote, Idleness]:
    """Return the next note, and what the server's metrics say beside the last one."""
    counters = {name: metrics[name] for name in _COUNTERS if name in metrics}
    running, waiting = int(metrics.get("running", 0)), int(metrics.get("waiting", 0))
    is_used = bool(running or waiting)
    before = noted if noted and noted.invocation == state.invocation else None
    since_s = uptime_s
    if before and before.counters == counters and not is_used:
        since_s = min(before.since_s, uptime_s)
    found = Idleness(
        IN_USE if is_used else IDLE,
        round(uptime_s - since_s, 1),
        running,
        waiting,
        is_first=before is None and not is_used,
    )
    return IdleNote(state.invocation, counters, since_s), found


def _read(session: Session) -> tuple[float, IdleNote | None]:
    """Return the seconds since the machine's boot, and the last note; a damaged one is none."""
    uptime, _, text = session.run(_READ).output.partition("\n")
    uptime_s = real(uptime)
    if uptime_s is None:
        raise ProbeError(f"garbled answer from the box about its uptime: {uptime[:40]!r}")
    return uptime_s, read_note(text)


def read_note(text: str) -> IdleNote | None:
    """Return a note from its file's text; None for any other text."""
    try:
        found: dict[str, Any] = parse_json(text)
        return IdleNote(str(found["invocation"]), dict(found["counters"]), float(found["since_s"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
