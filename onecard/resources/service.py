"""systemd services."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State, Value, fields
from onecard.script import Answer

CONFIGURATION = "ONECARD_CONFIGURATION"


def configuration(*texts: str) -> str:
    """Return a short fingerprint of the files that a service runs with.

    It goes into the unit as an environment variable, so that the running process itself says which
    configuration it was started with: a restart that is owed is seen in the box's state, also when
    the run that owed it died.
    """
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Service(Resource):
    """A service's state.

    configuration: what the running process must have been started with; empty for any.
    started_with: file that a start writes that into, for a process that hides its environment.
    """

    unit: str
    enabled: bool = True
    running: bool = True
    configuration: str = ""
    started_with: str = ""

    @property
    def name(self) -> str:
        return f"service {self.unit}"

    def probe(self) -> str:
        unit = shlex.quote(self.unit)
        state = f"systemctl show {unit} -p ActiveState,UnitFileState,NeedDaemonReload\n"
        if self.started_with:
            file = shlex.quote(self.started_with)
            return f"{state}[ ! -e {file} ] || sed 's/^/{CONFIGURATION}=/' {file}"
        return (
            f"{state}"
            f"pid=$(systemctl show {unit} -p MainPID --value)\n"
            f'[ "${{pid:-0}}" = 0 ] || tr "\\0" "\\n" <"/proc/$pid/environ" '
            f"| grep ^{CONFIGURATION}= || true"
        )

    def read(self, answer: Answer) -> State:
        shown = fields(answer.output)
        state: dict[str, Value] = {
            "enabled": shown.get("UnitFileState") in ("enabled", "static", "alias"),
            "running": shown.get("ActiveState") in ("active", "activating", "reloading"),
            "reload pending": shown.get("NeedDaemonReload") == "yes",
        }
        if self.configuration:
            state["configuration"] = shown.get(CONFIGURATION)
        return state

    def desired(self) -> State:
        state: dict[str, Value] = {
            "enabled": self.enabled,
            "running": self.running,
            "reload pending": False,
        }
        if self.configuration and self.running:
            state["configuration"] = self.configuration
        return state

    def fix(self, differences: Differences, actual: State) -> str:
        unit = shlex.quote(self.unit)
        lines = ["systemctl daemon-reload"]
        if "enabled" in differences:
            lines.append(f"systemctl {'enable' if self.enabled else 'disable'} -q {unit}")
        if "configuration" in differences:
            lines += [f"systemctl reset-failed {unit} || true", f"systemctl restart {unit}"]
        elif "running" in differences:
            lines.append(f"systemctl {'start' if self.running else 'stop'} {unit}")
        return "\n".join(lines)

    def advice(self) -> str:
        return f"look on the box: journalctl -u {self.unit}"
