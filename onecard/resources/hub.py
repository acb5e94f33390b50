"""A model of the Hugging Face hub."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from onecard import layout
from onecard.box import hub_download
from onecard.resources.base import ABSENT, Differences, Resource, State, Upload, diff
from onecard.script import Answer
from onecard.secret import Secret

_PROGRAM = f"{layout.JOB}/hub_download.py"
_TOKEN = f"{layout.JOB_SECRETS}/hub-token"
# The program removes the file that it reads a token from.
_ASKING_TOKEN = f"{layout.JOB_SECRETS}/hub-token-for-asking"
_ANSWER = f"{layout.JOB}/hub-answer"
_AS_VERIFIED = "as verified"


@dataclass(frozen=True)
class HubModel(Resource):
    """A repository's files at one revision, complete and verified against the hub's digests.

    path: their folder on the box. endpoint: the hub or a mirror of it, without a slash at the end.
    revision: empty takes the newest at the first download and keeps it from then on.
    check: shell that says whether vLLM can serve what config.json names; run before the rest comes.
    token: asked for a token when there is something to download; it may return None.

    What is there is told by the note that the download leaves beside the files (hub_download.Note):
    a file that has another size or time than when it was verified is verified anew.
    """

    path: str
    repository: str
    revision: str
    endpoint: str
    check: str = field(default="", repr=False)
    token: Callable[[], Secret | None] = field(default=lambda: None, compare=False, repr=False)

    @property
    def name(self) -> str:
        return f"model {self.repository}"

    def probe(self) -> str:
        return note_probe(self.path)

    def read(self, answer: Answer) -> State:
        rows = [line.partition("=") for line in answer.output.splitlines()]
        told = {key: value for key, _, value in rows}
        if not rows:
            return ABSENT
        noted = {value.split(" ", 1)[1] for key, _, value in rows if key == "file"}
        now = {value for key, _, value in rows if key == "now"}
        changed = len(noted - now)
        files = f"{changed} of {len(noted)} changed" if changed else _AS_VERIFIED
        if "commit" not in told:
            return {"files": "not all there"}
        same = not self.revision or self.revision in (told["commit"], told.get("asked", ""))
        return {"revision": self.revision if same else told["commit"], "files": files}

    def desired(self) -> State:
        return {"revision": self.revision, "files": _AS_VERIFIED}

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        return _uploads(self, _TOKEN)

    def fix(self, differences: Differences, actual: State) -> str:
        return shlex.join((*self.command, "--token-file", _TOKEN, "--check", self.check))

    @property
    def command(self) -> tuple[str, ...]:
        """Return the program's words that say which model, and where to."""
        words = ("python3", "-I", _PROGRAM, self.endpoint, self.repository, self.path)
        return (*words, "--revision", self.revision)


def _uploads(model: HubModel, token_file: str) -> tuple[Upload, ...]:
    token = model.token()
    program = Upload(_PROGRAM, Path(hub_download.__file__))
    return (program,) if token is None else (program, Upload(token_file, token))


@dataclass(frozen=True)
class HubAnswer(Resource):
    """The hub's word, and the disk's, that a model can be had: asked before anything is changed.

    other: what will be installed besides, of up to other_gib GiB.

    A model that is there is not asked for. The answer counts for as long as the job's folder
    stands, which each job makes anew.
    """

    model: HubModel
    other: str
    other_gib: int

    @property
    def name(self) -> str:
        return f"{self.model.repository} at the hub"

    def probe(self) -> str:
        return f"[ ! -f {_ANSWER} ] || sed 's/^/answer=/' {_ANSWER}\n{self.model.probe()}"

    def read(self, answer: Answer) -> State:
        granted = f"answer={self._question}" in answer.output.splitlines()
        there = not diff(self.model.desired(), self.model.read(answer))
        return {"access": "granted"} if granted or there else ABSENT

    def desired(self) -> State:
        return {"access": "granted"}

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        return _uploads(self.model, _ASKING_TOKEN)

    def fix(self, differences: Differences, actual: State) -> str:
        size = self.other_gib * 2**30
        ask = ("--token-file", _ASKING_TOKEN, "--ask", self.other, "--other-size", str(size))
        return f"{shlex.join((*self.model.command, *ask))}\necho {self._question} >{_ANSWER}"

    @property
    def _question(self) -> str:
        return hashlib.sha256(shlex.join(self.model.command).encode()).hexdigest()[:12]


def note_probe(path: str) -> str:
    """Return shell that prints a model's note, and each noted file's size and time now."""
    note = hub_download.NOTE
    return (
        f"cd {shlex.quote(path)} 2>/dev/null && [ -f {note} ] || exit 0\n"
        f"cat {note}\n"
        f"sed -n 's/^file=[^ ]* [^ ]* [^ ]* //p' {note} | tr '\\n' '\\0' | "
        "xargs -0 -r stat -c 'now=%s %Y %n' -- 2>/dev/null || true"
    )


def resolved_revision(output: str) -> str:
    """Return the commit that a complete download is of, from note_probe's output; else ''."""
    commits = [line for line in output.splitlines() if line.startswith("commit=")]
    return commits[0].removeprefix("commit=") if commits else ""
