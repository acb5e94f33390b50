"""systemd services."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State, Value, fields
from onecard.resources.secret_file import SecretFile
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
    secret: a file whose value the running process must have been started with; None for none.
    """

    unit: str
    enabled: bool = True
    running: bool = True
    configuration: str = ""
    started_with: str = ""
    secret: SecretFile | None = None

    @property
    def name(self) -> str:
        return f"service {self.unit}"

    def probe(self) -> str:
        unit = shlex.quote(self.unit)
        environment = 'tr "\\0" "\\n" <"/proc/$pid/environ"'
        lines = [
            f"systemctl show {unit} -p ActiveState,UnitFileState,NeedDaemonReload",
            f"pid=$(systemctl show {unit} -p MainPID --value)",
            self._configuration(environment),
        ]
        if self.secret is not None:
            in_process = self.secret.digest_probe("process", environment)
            lines += [self.secret.digest_probe("file"), f'[ "${{pid:-0}}" = 0 ] || {in_process}']
        return "\n".join(lines)

    def _configuration(self, environment: str) -> str:
        if self.started_with:
            file = shlex.quote(self.started_with)
            return f"[ ! -e {file} ] || sed 's/^/{CONFIGURATION}=/' {file}"
        return f'[ "${{pid:-0}}" = 0 ] || {environment} | grep ^{CONFIGURATION}= || true'

    def read(self, answer: Answer) -> State:
        shown = fields(answer.output)
        state: dict[str, Value] = {
            "enabled": shown.get("UnitFileState") in ("enabled", "static", "alias"),
            "running": shown.get("ActiveState") in ("active", "activating", "reloading"),
            "reload pending": shown.get("NeedDaemonReload") == "yes",
        }
        if self.configuration:
            state["configuration"] = shown.get(CONFIGURATION)
        if self.secret is not None:
            state["key"] = "in use" if self._uses_secret(self.secret, shown) else "another"
        return state

    @staticmethod
    def _uses_secret(secret: SecretFile, shown: Mapping[str, str]) -> bool:
        process = shown.get("process", "")
        if secret.value is not None:
            return secret.holds(process)
        return process == shown.get("file")

    def desired(self) -> State:
        state: dict[str, Value] = {
            "enabled": self.enabled,
            "running": self.running,
            "reload pending": False,
        }
        if self.configuration and self.running:
            state["configuration"] = self.configuration
        if self.secret is not None and self.running:
            state["key"] = "in use"
        return state

    def fix(self, differences: Differences, actual: State) -> str:
        unit = shlex.quote(self.unit)
        lines = ["systemctl daemon-reload"]
        if "enabled" in differences:
            lines.append(f"systemctl {'enable' if self.enabled else 'disable'} -q {unit}")
        if "configuration" in differences or "key" in differences:
            lines += [f"systemctl reset-failed {unit} || true", f"systemctl restart {unit}"]
        elif "running" in differences:
            lines.append(f"systemctl {'start' if self.running else 'stop'} {unit}")
        return "\n".join(lines)

    def advice(self) -> str:
        return f"look on the box: journalctl -u {self.unit}"
