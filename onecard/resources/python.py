"""Virtual environments and what is installed in them."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.resources.base import ABSENT, Differences, Resource, State, Value, fields
from onecard.script import Answer


def normalised(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


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
class PythonHeader(Resource):
    """A C file that includes Python.h compiles with the environment's own paths.

    That is what Triton does at a server's first start, minutes after everything else went well; it
    cannot be mended here, only told in time.
    """

    venv: str

    @property
    def name(self) -> str:
        return f"Python.h for {self.venv}"

    def probe(self) -> str:
        paths = "import sysconfig; print(sysconfig.get_path('include'))"
        return (
            f'include=$({shlex.quote(self.venv)}/bin/python -I -c "{paths}") || exit 0\n'
            "echo '#include <Python.h>' | cc -x c -fsyntax-only -I\"$include\" - && echo compiles"
            " || true"
        )

    def read(self, answer: Answer) -> State:
        return {"compiles": True} if "compiles" in answer.output else ABSENT

    def desired(self) -> State:
        return {"compiles": True}

    def fix(self, differences: Differences, actual: State) -> str:
        return "true  # proved by looking again"

    def advice(self) -> str:
        return "install the headers of the venv's own Python (python3-dev, or python3.X-dev)"


@dataclass(frozen=True)
class PythonPackages(Resource):
    """Distributions in a virtual environment.

    packages: requirements, `name` (any version will do) or `name==version`.
    installer: `pip`, or `uv` (which has to be on the environment's own path).
    options: further arguments of `install`, verbatim, such as `--no-deps`.
    fallback: options that are added when the configured indexes do not have it.
    """

    venv: str
    packages: tuple[str, ...]
    installer: str = "pip"
    options: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()

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
        install = shlex.join((*self._installer, *self.options, "--", *wanted))
        if not self.fallback:
            return install
        again = shlex.join((*self._installer, *self.options, *self.fallback, "--", *wanted))
        return f"{install} || {again}"

    @property
    def _wanted(self) -> Mapping[str, str]:
        pairs = (text.partition("==") for text in self.packages)
        return {normalised(name): version for name, _, version in pairs}

    @property
    def _installer(self) -> tuple[str, ...]:
        python = f"{self.venv}/bin/python"
        if self.installer == "uv":
            return (f"{self.venv}/bin/uv", "pip", "install", "--python", python)
        return (python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check")


_MISSING_REQUIREMENTS = """
import importlib.metadata as metadata, sys
from pip._vendor.packaging.requirements import Requirement
skipped = set(sys.argv[2].split())
try:
    requirements = metadata.requires(sys.argv[1]) or []
except metadata.PackageNotFoundError:
    sys.exit(3)
for text in requirements:
    requirement = Requirement(text)
    if requirement.name in skipped:
        continue
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        continue
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        version = ""
    if not version or not requirement.specifier.contains(version, prereleases=True):
        extras = "[" + ",".join(sorted(requirement.extras)) + "]" if requirement.extras else ""
        print(requirement.name + extras + str(requirement.specifier))
"""


@dataclass(frozen=True)
class PythonRequirements(Resource):
    """Everything that an installed distribution asks for, but for some left out on purpose.

    constraints: requirements that no install may change, such as `torch==2.13.0+cpu`.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType(
        {
            0: "answered",
            3: "the distribution is not installed",
            126: "no virtual environment",
            127: "no virtual environment",
        }
    )

    venv: str
    of: str
    skipped: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"python requirements of {self.of}"

    def probe(self) -> str:
        return shlex.join(self._ask)

    def read(self, answer: Answer) -> State:
        if answer.code != 0:
            return ABSENT
        return {"missing": " ".join(answer.output.split())}

    def desired(self) -> State:
        return {"missing": ""}

    def fix(self, differences: Differences, actual: State) -> str:
        # Asked again at that moment: the distribution itself may have arrived just before.
        pip = f"{shlex.quote(self.venv)}/bin/python -m pip install --no-input"
        constraints = "\n".join(self.constraints)
        return (
            "list=$(mktemp -d)\n"
            f"{shlex.join(self._ask)} >$list/requirements\n"
            f"cat >$list/constraints <<'@end'\n{constraints}\n@end\n"
            f"{pip} --disable-pip-version-check -c $list/constraints -r $list/requirements\n"
            "rm -r $list"
        )

    @property
    def _ask(self) -> tuple[str, ...]:
        python = f"{self.venv}/bin/python"
        return (python, "-c", _MISSING_REQUIREMENTS, self.of, " ".join(self.skipped))


@dataclass(frozen=True)
class Block(Resource):
    """Lines at the end of a file of an installed package, between two marks."""

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType({0: "answered", 2: "no such file"})

    path: str
    content: str

    @property
    def name(self) -> str:
        return f"block in {self.path}"

    def probe(self) -> str:
        return f"sed -n '/^{_BEGIN}$/,/^{_END}$/p' {shlex.quote(self.path)}"

    def read(self, answer: Answer) -> State:
        lines = answer.output.splitlines()
        return {"sha256": _digest("\n".join(lines[1:-1]))} if lines else ABSENT

    def desired(self) -> State:
        return {"sha256": _digest(self.content.strip("\n"))}

    def fix(self, differences: Differences, actual: State) -> str:
        path, text = shlex.quote(self.path), self.content.strip("\n")
        return (
            f"sed -i '/^{_BEGIN}$/,/^{_END}$/d' {path}\n"
            f'[ -z "$(tail -c 1 {path})" ] || echo >>{path}\n'
            f"cat >>{path} <<'@end'\n{_BEGIN}\n{text}\n{_END}\n@end"
        )


_BEGIN, _END = "# --- onecard begin", "# --- onecard end"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
