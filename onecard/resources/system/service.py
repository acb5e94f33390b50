"""Services, run by the box's service manager (onecard/box/services.sh)."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State, Value, fields
from onecard.resources.files.file import File
from onecard.resources.files.secret_file import SecretFile
from onecard.ssh.probe_batch import Answer

CONFIGURATION = "ONECARD_CONFIGURATION"


def configuration(*texts: str) -> str:
    """Return a short fingerprint of the files that a service runs with.

    The unit sets it as an environment variable, so that the running process shows which
    configuration it was started with: a pending restart is visible in the box's state, also after
    a run that was interrupted.
    """
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class UnitFile(File):
    """A unit file, where the box's service manager looks for it.

    path: the unit's name.
    """

    after: str = "services reload"

    @property
    def name(self) -> str:
        return f"unit {self.path}"

    @property
    def place(self) -> str:
        return f'"$(services file {shlex.quote(self.path)})"'


@dataclass(frozen=True)
class Service(Resource):
    """A service's state.

    configuration: the fingerprint that the running process must have; empty for any.
    started_with: file that a start writes it to, for a process that hides its environment.
    secret: a file with the value that the running process must have; None for none.
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
        environment = 'echo "$environment"'
        lines = [
            f"services show {unit}",
            f"environment=$(services environment {unit})",
            self._configuration(environment),
        ]
        if self.secret is not None:
            lines.append(self.secret.digest_probe("file"))
            lines.append(self.secret.digest_probe("process", environment))
        return "\n".join(lines)

    def _configuration(self, environment: str) -> str:
        if self.started_with:
            file = shlex.quote(self.started_with)
            return f"[ ! -e {file} ] || sed 's/^/{CONFIGURATION}=/' {file}"
        return f"{environment} | grep ^{CONFIGURATION}= || true"

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
        lines = ["services reload"]
        if "enabled" in differences:
            lines.append(f"services {'enable' if self.enabled else 'disable'} {unit}")
        if "configuration" in differences or "key" in differences:
            lines += [f"services reset {unit}", f"services restart {unit}"]
        elif "running" in differences and self.running:
            lines += [f"services reset {unit}", f"services start {unit}"]
        elif "running" in differences:
            lines.append(f"services stop {unit}")
        return "\n".join(lines)

    def advice(self) -> str:
        return f"read the log of {self.unit}: invoke logs"


@dataclass(frozen=True)
class ReloadedService(Service):
    """A service that takes over a changed configuration without an end of its connections.

    Its ExecReload= verifies the configuration first. Needs systemd.
    """

    def fix(self, differences: Differences, actual: State) -> str:
        if set(differences) != {"configuration"}:
            return super().fix(differences, actual)
        return f"systemctl reload {shlex.quote(self.unit)}"
