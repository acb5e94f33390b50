"""The model's architecture is one that the environment's vLLM knows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from onecard.checks import EnvironmentCheck, architecture_check, read
from onecard.resources.base import ABSENT, Differences, Resource, State
from onecard.script import Answer

# Only config.json: a few kB that tell what 50 GB would tell too late.
_FETCH = """
import sys
from huggingface_hub import hf_hub_download
repository, revision, folder = sys.argv[1:4]
hf_hub_download(repository, "config.json", revision=revision or None, local_dir=folder)
"""


@dataclass(frozen=True)
class Architecture(Resource):
    """What config.json names is in vLLM's own registry; it is not mended here, only told in time.

    venv: the environment. folder: the model's on the box. repository, revision: where its
    config.json is fetched from when it is not there; an empty repository: it is copied.
    """

    venv: str
    folder: str
    repository: str = ""
    revision: str = ""

    @property
    def name(self) -> str:
        return f"architecture of {self.folder}"

    def probe(self) -> str:
        here = f"[ -x {shlex.quote(self.venv)}/bin/python ] && [ -f {shlex.quote(self._config)} ]"
        # Trouble is an answer too.
        return f"{here} || exit 0\n{self._check.script(self.venv)}\n:"

    def read(self, answer: Answer) -> State:
        if not answer.output.strip():
            return ABSENT
        return {"architecture": read(self._check, answer.output).trouble or "known"}

    def desired(self) -> State:
        return {"architecture": "known"}

    def fix(self, differences: Differences, actual: State) -> str:
        python = f"{self.venv}/bin/python"
        fetch = (python, "-c", _FETCH, self.repository, self.revision, self.folder)
        lines = [f"[ -f {shlex.quote(self._config)} ] || {shlex.join(fetch)}"]
        return "\n".join([*(lines if self.repository else ()), self._check.script(self.venv)])

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
