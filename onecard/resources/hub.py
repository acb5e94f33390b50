"""A model of the Hugging Face hub."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.base import ABSENT, Differences, Resource, State, fields
from onecard.script import Answer

_DOWNLOAD = """
import sys
from huggingface_hub import HfApi, snapshot_download
repository, revision, folder = sys.argv[1:4]
commit = HfApi().model_info(repository, revision=revision or None).sha
snapshot_download(repository, revision=commit, local_dir=folder)
open(folder + "/.onecard-revision", "w").write(f"commit={commit}\\nasked={revision}\\n")
"""


@dataclass(frozen=True)
class HubModel(Resource):
    """A repository's files at one revision, complete.

    The revision is written beside the files once the whole download has ended well. An empty
    `revision` takes the newest at the first download and keeps it from then on.
    """

    path: str
    repository: str
    revision: str
    venv: str

    @property
    def name(self) -> str:
        return f"model {self.repository}"

    def probe(self) -> str:
        note = shlex.quote(f"{self.path}/.onecard-revision")
        return f"[ ! -f {note} ] || cat {note}"

    def read(self, answer: Answer) -> State:
        told = fields(answer.output)
        if "commit" not in told:
            return ABSENT
        same = self.revision in (told["commit"], told.get("asked", ""))
        return {"revision": self.revision if same or not self.revision else told["commit"]}

    def desired(self) -> State:
        return {"revision": self.revision}

    def fix(self, differences: Differences, actual: State) -> str:
        script = shlex.join(
            (f"{self.venv}/bin/python", "-c", _DOWNLOAD, self.repository, self.revision, self.path)
        )
        return f"mkdir -p {shlex.quote(self.path)}\n{script}"

    def advice(self) -> str:
        return "a gated model wants a token; a download that broke off goes on where it was"
