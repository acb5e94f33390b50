"""Virtual environments and what is installed in them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onecard.checks import files_check
from onecard.inventory.lock import normalised
from onecard.resources.base import ABSENT, Differences, Resource, State, Value, fields
from onecard.resources.python.uv_errors import missing_wheel
from onecard.ssh.probe_batch import Answer


def _probe(venv: str) -> str:
    """Return shell that prints the packages; the same for all that a plan wants of a venv."""
    python = shlex.quote(f"{venv}/bin/python3")
    return f"[ -x {python} ] || exit 0\n{files_check().script(venv)}\n:"


def _whole(output: str) -> dict[str, str]:
    """Return name -> version of the packages that lack no file."""
    rows = [line.partition("=") for line in output.splitlines()]
    damaged = {normalised(value) for key, _, value in rows if key == "damaged"}
    found = {}
    for folder in (value for key, _, value in rows if key == "package"):
        name, _, version = folder.removesuffix(".dist-info").rpartition("-")
        found[normalised(name)] = version
    return {name: version for name, version in found.items() if name not in damaged}


@dataclass(frozen=True)
class Venv(Resource):
    """A virtual environment of the box's python3, with pip; a broken or outdated one is made again.

    version: of python3, such as `3.11`; empty before that is installed, when any fits.
    """

    path: str
    version: str = ""

    @property
    def name(self) -> str:
        return f"venv {self.path}"

    def probe(self) -> str:
        return _probe(self.path)

    def read(self, answer: Answer) -> State:
        python = fields(answer.output).get("python", "")
        fits = self.version in ("", python) and "pip" in _whole(answer.output)
        return {"usable": True} if fits else ABSENT

    def desired(self) -> State:
        return {"usable": True}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"python3 -m venv --clear {shlex.quote(self.path)}"


@dataclass(frozen=True)
class PythonPackages(Resource):
    """Distributions in a virtual environment; one that lacks files counts as absent.

    packages: requirements, `name` (any version) or `name==version`.
    options: further arguments of pip's `install`, verbatim, such as `--no-deps`.
    shortage: what to say where pip finds no such package, with `{}` for it; empty for pip's words.
    """

    venv: str
    packages: tuple[str, ...]
    options: tuple[str, ...] = ()
    shortage: str = ""

    @property
    def name(self) -> str:
        return f"python packages {' '.join(self.packages)}"

    def probe(self) -> str:
        return _probe(self.venv)

    def read(self, answer: Answer) -> State:
        installed = _whole(answer.output)
        if "pip" not in installed:  # the venv is made again, empty
            return ABSENT
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
        # pip considers a package with missing files installed.
        return shlex.join((*pip, "--force-reinstall", *self.options, "--", *wanted))

    def trouble(self, output: Sequence[str]) -> str:
        lacking = missing_wheel("\n".join(output)) if self.shortage else ""
        return self.shortage.replace("{}", lacking) if lacking else ""

    @property
    def _wanted(self) -> Mapping[str, str]:
        pairs = (text.partition("==") for text in self.packages)
        return {normalised(name): version for name, _, version in pairs}
