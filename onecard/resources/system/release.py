"""Releases: the numbered record of every deploy, and the server that runs as one of them.

A release is a folder on the box, paths.RELEASES/NUMBER:

    vllm.service, vllm.env    the unit and its environment (no secrets)
    question.json             the request of the startup check
    about.json                model, context length, ...
    fingerprint               of all that the server runs with; the unit contains it too
    holder, vllm, result      who deployed it, vLLM's version, the result (state=..., at=...)

`current` is a link to the last one that answered. Everything else is read from the box's state.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from onecard.box import paths
from onecard.resources.base import ABSENT, Differences, Resource, State, diff, fields
from onecard.resources.system.service import Service
from onecard.ssh.boot import HOLDER_FILE
from onecard.ssh.probe_batch import Answer

_LATEST = f"""
if cd {paths.RELEASES} 2>/dev/null; then
for which in current newest; do
  case $which in
    current) number=$(readlink current) ;;
    newest) number=$(ls | grep -E '^[0-9]+$' | sort -n | tail -n 1) ;;
  esac
  [ -n "$number" ] && [ -d "$number" ] || continue
  printf '%s=%s %s %s\\n' "$which" "$number" "$(cat "$number/fingerprint")" \\
    "$(sed -n 's/^state=//p' "$number/result")"
done
fi
"""


def _recorded(values: Mapping[str, str]) -> tuple[str, str]:
    """Return the fingerprints of the current release and of a newer one that is starting."""
    current = values.get("current", "").split(" ")
    newest = values.get("newest", "").split(" ")
    starting = newest[1] if newest[-1] == "starting" else ""
    return (current[1] if len(current) > 1 else ""), starting


@dataclass(frozen=True)
class Release(Resource):
    """The record of what is about to run; a new one unless it is current or starting.

    files: name -> content, stored in the release's folder. venv: where vLLM's version is read.
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
        current, starting = _recorded(fields(answer.output))
        if self.fingerprint in (current, starting):
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
        # Written beside and moved: a release is complete, or does not exist.
        return "\n".join(
            [
                f"umask 077; mkdir -p {paths.RELEASES}; cd {paths.RELEASES}",
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
    """An earlier release's unit and environment, restored."""

    number: int

    @property
    def name(self) -> str:
        return f"files of release {self.number}"

    def probe(self) -> str:
        folder = f"{paths.RELEASES}/{self.number}"
        return (
            f'cmp -s {folder}/{paths.UNIT} "$(services file {paths.UNIT})" && '
            f"cmp -s {folder}/vllm.env {paths.ENVIRONMENT} && echo installed || true"
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
    deadline_s: seconds to its first answer, at most. back: whether the box then restores the
        release that was current.
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
        values = fields(answer.output)
        if self.number is None:
            answered = _recorded(values)[0] == self.service.configuration
        else:
            answered = values.get("current", "").split(" ")[0] == str(self.number)
        return {**self.service.read(answer), "answered": answered}

    def desired(self) -> State:
        return {**self.service.desired(), "answered": True}

    def fix(self, differences: Differences, actual: State) -> str:
        differing = diff(self.service.desired(), actual)
        which = (
            f"--fingerprint {self.service.configuration}"
            if self.number is None
            else f"--number {self.number}"
        )
        which += f" --deadline {self.deadline_s}"
        free = f"{program('free')} {which} || exit 1\n" if self.back else ""
        back = " --back" if self.back else ""
        # The program also checks, reports and rolls back a start that fails at once.
        start = self.service.fix(differing, actual)
        return f"{free}( {start} ) || true\n{program('try')} {which}{back}"


def program(command: str) -> str:
    """Return the shell command that runs onecard/box/release.py on the box."""
    return f"PYTHONPATH={paths.PROGRAMS} python3 -B -m onecard.box.release {command}"
