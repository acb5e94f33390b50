"""Releases: the numbered record of every deploy, and the server that runs as one of them.

A release is a folder on the box, layout.RELEASES/NUMBER:

    vllm.service, vllm.env    the unit and its environment (no secrets)
    question.json             what is asked to see whether it answers
    about.json                model, context length, ...
    fingerprint               of all that the server runs with; the unit carries it too
    holder, vllm, result      who deployed it, vLLM's version, how it went (state=..., at=...)

`current` is a link to the one that answered last. Everything else is read from the box's state.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from onecard import layout
from onecard.resources.base import ABSENT, Differences, Resource, State, diff, fields
from onecard.resources.service import Service
from onecard.script import Answer
from onecard.session import HOLDER_FILE

_LATEST = f"""
if cd {layout.RELEASES} 2>/dev/null; then
for which in current newest; do
  case $which in
    current) number=$(readlink current) ;;
    newest) number=$(ls | grep -E '^[0-9]+$' | sort -n | tail -n 1) ;;
  esac
  [ -n "$number" ] && [ -d "$number" ] || continue
  echo "$which=$number $(cat "$number/fingerprint") $(sed -n 's/^state=//p' "$number/result")"
done
fi
"""


def _recorded(told: Mapping[str, str]) -> tuple[str, str]:
    """Return the fingerprints of the current release and of a newer one still on trial."""
    current = told.get("current", "").split(" ")
    newest = told.get("newest", "").split(" ")
    trial = newest[1] if newest[-1] == "starting" else ""
    return (current[1] if len(current) > 1 else ""), trial


@dataclass(frozen=True)
class Release(Resource):
    """The record of what is about to run; made anew unless it runs already or is on trial.

    files: name -> content, kept in the release's folder. venv: where vLLM's version is read.
    """

    fingerprint: str
    files: tuple[tuple[str, str], ...]
    venv: str

    @property
    def name(self) -> str:
        return "release"

    def probe(self) -> str:
        return _LATEST

    def read(self, answer: Answer) -> State:
        current, trial = _recorded(fields(answer.output))
        if self.fingerprint in (current, trial):
            return {"fingerprint": self.fingerprint}
        return {"fingerprint": current} if current else ABSENT

    def desired(self) -> State:
        return {"fingerprint": self.fingerprint}

    def fix(self, differences: Differences, actual: State) -> str:
        site = f"{shlex.quote(self.venv)}/lib/python3*/site-packages"
        written = [
            f"base64 -d >new/{shlex.quote(name)} <<'@end'\n"
            f"{base64.b64encode(content.encode()).decode()}\n@end"
            for name, content in (*self.files, ("fingerprint", self.fingerprint + "\n"))
        ]
        # Made beside and moved: a release is there whole, or not at all.
        return "\n".join(
            [
                f"umask 077; mkdir -p {layout.RELEASES}; cd {layout.RELEASES}",
                "rm -rf new; mkdir new",
                *written,
                f"cp {HOLDER_FILE} new/holder",
                f"ls -d {site}/vllm-*.dist-info | sed 's/.*vllm-//; s/.dist-info//' >new/vllm",
                'printf "state=starting\\nat=%s\\n" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >new/result',
                "last=$(ls | grep -E '^[0-9]+$' | sort -n | tail -n 1)",
                "mv -T new $(( ${last:-0} + 1 ))",
            ]
        )


@dataclass(frozen=True)
class Installed(Resource):
    """An earlier release's unit and environment, in place again."""

    number: int

    @property
    def name(self) -> str:
        return f"files of release {self.number}"

    def probe(self) -> str:
        folder = f"{layout.RELEASES}/{self.number}"
        return (
            f"cmp -s {folder}/{layout.UNIT} {layout.UNIT_FILE} && "
            f"cmp -s {folder}/vllm.env {layout.ENVIRONMENT} && echo installed || true"
        )

    def read(self, answer: Answer) -> State:
        return {"installed": True} if "installed" in answer.output else ABSENT

    def desired(self) -> State:
        return {"installed": True}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"{program('install')} {self.number}"


@dataclass(frozen=True)
class Served(Resource):
    """The server runs as a release that has answered a question.

    service: the unit, with the configuration of that release.
    number: the release; None for the newest with this configuration.
    deadline_s: seconds that it may take to its first answer. back: whether the box then returns
        to the release that was current.
    """

    service: Service
    deadline_s: int
    back: bool
    number: int | None = None

    @property
    def name(self) -> str:
        return self.service.name

    def probe(self) -> str:
        return f"{self.service.probe()}\n{_LATEST}"

    def read(self, answer: Answer) -> State:
        told = fields(answer.output)
        if self.number is None:
            answered = _recorded(told)[0] == self.service.configuration
        else:
            answered = told.get("current", "").split(" ")[0] == str(self.number)
        return {**self.service.read(answer), "answered": answered}

    def desired(self) -> State:
        return {**self.service.desired(), "answered": True}

    def fix(self, differences: Differences, actual: State) -> str:
        owed = diff(self.service.desired(), actual)
        which = (
            f"--fingerprint {self.service.configuration}"
            if self.number is None
            else f"--number {self.number}"
        )
        back = " --back" if self.back else ""
        # A start that fails at once is on trial like any other: what is told of it, and the way
        # back, are the program's.
        return (
            f"( {self.service.fix(owed, actual)} ) || true\n"
            f"{program('try')} {which} --deadline {self.deadline_s}{back}"
        )


def program(command: str) -> str:
    """Return the shell words that run onecard/box/release.py on the box."""
    return f"PYTHONPATH={layout.PROGRAMS} python3 -B -m onecard.box.release {command}"
