"""What is known of a unit, in the words of systemd."""

from __future__ import annotations

import time

from onecard.box import process
from onecard.box.services import RESTART_SCHEDULED
from onecard.box.supervision import log_files, processes, rpc
from onecard.box.supervision.configuration import RESTARTS, START_LIMIT_HIT, enabled_mark
from onecard.box.supervision.outcome import last_outcome
from onecard.box.supervision.run_state import RunState, read_state
from onecard.box.supervision.unit import path_of, read_unit


def show(name: str) -> dict[str, str]:
    """Return a unit's properties as `systemctl show` names them."""
    state, known = read_state(name), rpc.process(name)
    active, sub, result = _activity(name, state, known)
    now = time.monotonic()
    ended = known.get("stop", 0) if known and known["statename"] not in rpc.UP else 0
    changed = now - max(0.0, time.time() - ended) if ended else state.changed
    began = (
        time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime(state.began)) if state.began else ""
    )
    return {
        "LoadState": "loaded" if path_of(name).exists() else "not-found",
        "ActiveState": active,
        "SubState": sub,
        "Result": result,
        "InvocationID": state.invocation,
        "NRestarts": str(state.restarts),
        "MainPID": str(known["pid"] if sub == "running" else 0),
        "UnitFileState": "enabled" if enabled_mark(name).exists() else "disabled",
        "NeedDaemonReload": "no",
        "ActiveEnterTimestamp": began,
        "StateChangeTimestampMonotonic": f"{changed * 1e6:.0f}",
    }


def _activity(name: str, state: RunState, known: dict[str, object]) -> tuple[str, str, str]:
    """Return ActiveState, SubState and Result."""
    name_of_state = known.get("statename")
    if name_of_state == "STOPPING":
        return "deactivating", "stop-sigterm", "success"
    if name_of_state in rpc.UP:
        if state.phase == "waiting":
            return "activating", "auto-restart", state.result
        running = state.phase == "running"
        return (
            ("active", "running", "success") if running else ("activating", "start-pre", "success")
        )
    if name_of_state in ("EXITED", "FATAL", "BACKOFF", "UNKNOWN"):
        if state.phase == "failed" or known["exitstatus"] == START_LIMIT_HIT:
            return "failed", "failed", state.result
        result, _ = last_outcome(name)
        restart = read_unit(name).value("Restart") if path_of(name).exists() else ""
        if result == "success" and restart != "always":
            return "inactive", "dead", result
        # supervisord is about to start it again, or will not.
        again = restart in RESTARTS
        return ("activating", "auto-restart", result) if again else ("failed", "failed", result)
    return "inactive", "dead", "success"


def main_environment(name: str) -> dict[str, str]:
    """Return the environment of a unit's main process; empty while there is none."""
    pid = int(show(name)["MainPID"])
    try:
        return process.environment(pid) if pid else {}
    except OSError:
        return {}


def starts(name: str) -> list[dict[str, str]]:
    """Return what systemd says of the latest starts: its id, and that the next one was automatic.

    Oldest first, from the last requested one on.
    """
    ids = log_files.starts(name)[-1 - read_state(name).restarts :]
    return [
        {"INVOCATION_ID": each, "MESSAGE_ID": RESTART_SCHEDULED if each != ids[-1] else ""}
        for each in ids
    ]


def unit_processes(name: str) -> list[int]:
    """Return the processes of a unit."""
    state = read_state(name)
    return processes.of_start(state.invocation, state.pid)


def left(name: str) -> list[str]:
    """Return what is left of a unit."""
    found = ["unit file"] if path_of(name).exists() else []
    return [*found, *(["loaded"] if rpc.process(name) else [])]
