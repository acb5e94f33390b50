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


@dataclass(frozen=True)
class Venv(Resource):
    """A virtual environment of `interpreter`; a broken or outdated one is made again."""

    path: str
    interpreter: str = "python3"

    @property
    def name(self) -> str:
        return f"venv {self.path}"

    def probe(self) -> str:
        python = shlex.quote(f"{self.path}/bin/python")
        version = "import sys; print('%d.%d' % sys.version_info[:2])"
        return (
            f'echo wanted=$({shlex.quote(self.interpreter)} -I -S -c "{version}" 2>/dev/null)\n'
            f'[ ! -x {python} ] || echo is=$({python} -I -c "import pip; {version}" 2>/dev/null)'
        )

    def read(self, answer: Answer) -> State:
        values = fields(answer.output)
        # Without python3 there is no version to compare with.
        return {"usable": True} if values.get("is") and values["is"] == values["wanted"] else ABSENT

    def desired(self) -> State:
        return {"usable": True}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"{shlex.quote(self.interpreter)} -m venv --clear {shlex.quote(self.path)}"


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
        python = shlex.quote(f"{self.venv}/bin/python3")
        return f"[ -x {python} ] || exit 0\n{files_check().script(self.venv)}\n:"

    def read(self, answer: Answer) -> State:
        rows = [line.partition("=") for line in answer.output.splitlines()]
        damaged = {normalised(value) for key, _, value in rows if key == "damaged"}
        installed = {}
        for folder in (value for key, _, value in rows if key == "package"):
            name, _, version = folder.removesuffix(".dist-info").rpartition("-")
            if normalised(name) not in damaged:
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
        # pip considers a package with missing files installed.
        return shlex.join((*pip, "--force-reinstall", *self.options, "--", *wanted))

    def trouble(self, output: Sequence[str]) -> str:
        lacking = missing_wheel("\n".join(output)) if self.shortage else ""
        return self.shortage.replace("{}", lacking) if lacking else ""

    @property
    def _wanted(self) -> Mapping[str, str]:
        pairs = (text.partition("==") for text in self.packages)
        return {normalised(name): version for name, _, version in pairs}
