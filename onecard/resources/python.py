"""Virtual environments and what is installed in them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from onecard.locks.lock import normalised
from onecard.resources.base import ABSENT, Differences, Resource, State, Value, fields
from onecard.script import Answer


@dataclass(frozen=True)
class Venv(Resource):
    """A virtual environment of `interpreter`; a broken or outdated one is made anew."""

    path: str
    interpreter: str = "python3"

    @property
    def name(self) -> str:
        return f"venv {self.path}"

    def probe(self) -> str:
        python = shlex.quote(f"{self.path}/bin/python")
        ask = "import sys; print('%d.%d' % sys.version_info[:2])"
        return (
            f'echo wanted=$({shlex.quote(self.interpreter)} -I -c "{ask}" 2>/dev/null)\n'
            f"[ ! -x {python} ] || ! {python} -I -c 'import pip' 2>/dev/null "
            f'|| echo is=$({python} -I -c "{ask}")'
        )

    def read(self, answer: Answer) -> State:
        told = fields(answer.output)
        # Without python3 itself there is nothing that the environment could differ from.
        return {"usable": True} if told.get("is") and told["is"] == told["wanted"] else ABSENT

    def desired(self) -> State:
        return {"usable": True}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"{shlex.quote(self.interpreter)} -m venv --clear {shlex.quote(self.path)}"


@dataclass(frozen=True)
class PythonPackages(Resource):
    """Distributions in a virtual environment.

    packages: requirements, `name` (any version will do) or `name==version`.
    options: further arguments of pip's `install`, verbatim, such as `--no-deps`.
    """

    venv: str
    packages: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"python packages {' '.join(self.packages)}"

    def probe(self) -> str:
        # The folder names tell name and version without starting an interpreter; pip writes RECORD
        # last, so that an install that was cut off does not count.
        return (
            f"for record in {shlex.quote(self.venv)}/lib/python3*/site-packages/*.dist-info/RECORD;"
            " "
            'do record=${record%/RECORD}; echo "${record##*/}"; done'
        )

    def read(self, answer: Answer) -> State:
        installed = {}
        for line in answer.output.splitlines():
            name, _, version = line.removesuffix(".dist-info").rpartition("-")
            installed[normalised(name)] = version
        state: dict[str, Value] = {}
        for name, version in self._wanted.items():
            if name in installed:
                state[name] = installed[name] if version else "installed"
        return state

    def desired(self) -> State:
        return {name: version or "installed" for name, version in self._wanted.items()}

    def fix(self, differences: Differences, actual: State) -> str:
        wanted = [text for text in self.packages if normalised(text.split("==")[0]) in differences]
        python = f"{self.venv}/bin/python"
        pip = (python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check")
        return shlex.join((*pip, *self.options, "--", *wanted))

    @property
    def _wanted(self) -> Mapping[str, str]:
        pairs = (text.partition("==") for text in self.packages)
        return {normalised(name): version for name, _, version in pairs}
