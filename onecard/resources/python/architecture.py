"""Whether the environment's vLLM supports the model's architecture."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from onecard.checks import EnvironmentCheck, architecture_check, read
from onecard.resources.base import ABSENT, Differences, Resource, State
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class Architecture(Resource):
    """The architecture in config.json is in vLLM's registry; not fixable, only reported early.

    venv: the environment. folder: the model's on the box.
    """

    venv: str
    folder: str

    @property
    def name(self) -> str:
        return f"architecture of {self.folder}"

    def probe(self) -> str:
        exists = f"[ -x {shlex.quote(self.venv)}/bin/python ] && [ -f {shlex.quote(self._config)} ]"
        # An unsupported model is a valid result too.
        return f"{exists} || exit 0\n{self._check.script(self.venv)}\n:"

    def read(self, answer: Answer) -> State:
        if not answer.output.strip():
            return ABSENT
        return {"architecture": read(self._check, answer.output).trouble or "known"}

    def desired(self) -> State:
        return {"architecture": "known"}

    def fix(self, differences: Differences, actual: State) -> str:
        return self.script

    @property
    def script(self) -> str:
        """Return shell that runs the check; its exit code is 0 when the model is supported."""
        return self._check.script(self.venv)

    def trouble(self, output: Sequence[str]) -> str:
        if not any(line.startswith(("trouble=", "architectures=")) for line in output):
            return ""
        return read(self._check, "\n".join(output)).line

    @property
    def _config(self) -> str:
        return f"{self.folder}/config.json"

    @property
    def _check(self) -> EnvironmentCheck:
        return architecture_check(self._config)
