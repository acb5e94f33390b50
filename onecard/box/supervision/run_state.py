"""What is known of a unit's runs: the current one, the automatic restarts, the starts that count.

One JSON file for each unit in the manager's folder in /run, written by the launcher, and by the
manager when a start is requested.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from onecard.box import paths
from onecard.box.atomic_write import write_whole


@dataclass(frozen=True)
class RunState:
    """A unit's runs.

    invocation: the id of the current start. phase: `waiting` (RestartSec=), `preparing`
    (ExecStartPre=), `running`, `ended` (before its program ran), `failed` (no further start).
    changed: when it began, seconds since the boot; began: when the server's own process did,
    seconds since the epoch. pid: of the launcher, which becomes the server.
    restarts: automatic ones since the last requested start. requested: the next start is one.
    starts: when the latest ones were, seconds since the boot. result: as systemd's Result=.
    """

    invocation: str = ""
    phase: str = ""
    changed: float = 0.0
    began: float = 0.0
    pid: int = 0
    restarts: int = 0
    requested: bool = False
    starts: tuple[float, ...] = field(default=())
    result: str = "success"

    def at(self, phase: str, **changes: object) -> RunState:
        """Return the state in another phase, which begins now."""
        return replace(self, phase=phase, changed=time.monotonic(), **changes)  # type: ignore[arg-type]


def _file(name: str) -> Path:
    return Path(paths.SUPERVISOR_RUN) / f"{name}.json"


def read_state(name: str) -> RunState:
    """Return a unit's state; an empty one before its first start."""
    try:
        values = json.loads(_file(name).read_text())
        return RunState(**{**values, "starts": tuple(values["starts"])})
    except (OSError, ValueError, TypeError, KeyError):
        return RunState()


def write_state(name: str, state: RunState) -> RunState:
    """Write a unit's state, and return it."""
    write_whole(_file(name), json.dumps(asdict(state)), 0o600)
    return state


def forget(name: str) -> None:
    """Remove a unit's state."""
    _file(name).unlink(missing_ok=True)
