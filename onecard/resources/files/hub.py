"""A model of the Hugging Face hub."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import onecard
from onecard.box import paths
from onecard.box.hub_download.note import NOTE
from onecard.credentials.secret import Secret
from onecard.resources.base import ABSENT, Differences, Resource, State, Upload, diff
from onecard.ssh.probe_batch import Answer

_PROGRAM = f"{paths.JOB}/hub_download.pyz"
_TOKEN = f"{paths.JOB_SECRETS}/hub-token"
# The program removes the file that it reads a token from.
_ACCESS_TOKEN = f"{paths.JOB_SECRETS}/hub-token-for-asking"
_ANSWER = f"{paths.JOB}/hub-answer"
_AS_VERIFIED = "as verified"


@dataclass(frozen=True)
class HubModel(Resource):
    """A repository's files at one revision, complete and verified against the hub's digests.

    path: their folder on the box. endpoint: the hub or a mirror of it, without a slash at the end.
    revision: empty for the newest at the first download, which stays from then on.
    check: shell that checks that vLLM can serve the model of config.json, before the other files
        are downloaded.
    token: returns the token, or None; called when there is something to download.

    The state is read from the note that the download writes beside the files
    (box/hub_download/note.py): a file whose size or time has changed since it was verified is
    verified again.
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
        values = {key: value for key, _, value in rows}
        if not rows:
            return ABSENT
        noted = {value.split(" ", 1)[1] for key, _, value in rows if key == "file"}
        now = {value for key, _, value in rows if key == "now"}
        changed = len(noted - now)
        files = f"{changed} of {len(noted)} changed" if changed else _AS_VERIFIED
        if "commit" not in values:
            return {"files": "incomplete"}
        same = not self.revision or self.revision in (values["commit"], values.get("asked", ""))
        return {"revision": self.revision if same else values["commit"], "files": files}

    def desired(self) -> State:
        return {"revision": self.revision, "files": _AS_VERIFIED}

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        return _uploads(self, _TOKEN)

    def fix(self, differences: Differences, actual: State) -> str:
        return shlex.join((*self.command, "--token-file", _TOKEN, "--check", self.check))

    @property
    def command(self) -> tuple[str, ...]:
        """Return the program's arguments for the model and its folder."""
        words = ("python3", "-I", _PROGRAM, self.endpoint, self.repository, self.path)
        return (*words, "--revision", self.revision)


def _uploads(model: HubModel, token_file: str) -> tuple[Upload, ...]:
    token = model.token()
    sent = Upload(_PROGRAM, program())
    return (sent,) if token is None else (sent, Upload(token_file, token))


@cache
def program() -> bytes:
    """Return onecard.box.hub_download as one archive that Python runs, the same bytes each time."""
    root = Path(onecard.__file__).parent
    package = root / "box" / "hub_download"
    sources = [root / "box" / "__init__.py", *sorted(package.glob("*.py"))]
    archive = BytesIO()
    with ZipFile(archive, "w") as files:
        files.writestr(ZipInfo("__main__.py"), (package / "__main__.py").read_bytes())
        files.writestr(ZipInfo("onecard/__init__.py"), "")
        for source in sources:
            name = f"onecard/{source.relative_to(root).as_posix()}"
            files.writestr(ZipInfo(name), source.read_bytes())
    return archive.getvalue()


@dataclass(frozen=True)
class HubAccess(Resource):
    """Access to a model at the hub, and space on the disk: checked before anything is changed.

    other: what will be installed besides, up to other_gib GiB.

    A model that is downloaded already is not checked. The result is valid for one job, whose
    folder holds it.
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
        granted = f"answer={self._request}" in answer.output.splitlines()
        downloaded = not diff(self.model.desired(), self.model.read(answer))
        return {"access": "granted"} if granted or downloaded else ABSENT

    def desired(self) -> State:
        return {"access": "granted"}

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        return _uploads(self.model, _ACCESS_TOKEN)

    def fix(self, differences: Differences, actual: State) -> str:
        size = self.other_gib * 2**30
        check = ("--token-file", _ACCESS_TOKEN, "--ask", self.other, "--other-size", str(size))
        return f"{shlex.join((*self.model.command, *check))}\necho {self._request} >{_ANSWER}"

    @property
    def _request(self) -> str:
        return hashlib.sha256(shlex.join(self.model.command).encode()).hexdigest()[:12]


def note_probe(path: str) -> str:
    """Return shell that prints a model's note, and the current size and time of each file in it."""
    note = NOTE
    return (
        f"cd {shlex.quote(path)} 2>/dev/null && [ -f {note} ] || exit 0\n"
        f"cat {note}\n"
        f"sed -n 's/^file=[^ ]* [^ ]* [^ ]* //p' {note} | tr '\\n' '\\0' | "
        "xargs -0 -r stat -c 'now=%s %Y %n' -- 2>/dev/null || true"
    )


def resolved_revision(output: str) -> str:
    """Return the commit of a complete download, from note_probe's output; else ''."""
    commits = [line for line in output.splitlines() if line.startswith("commit=")]
    return commits[0].removeprefix("commit=") if commits else ""
