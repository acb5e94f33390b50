"""The virtual environment of one lock."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from onecard import layout
from onecard.checks import EnvironmentCheck, read
from onecard.locks.lock import normalised
from onecard.resources.base import ABSENT, Differences, Resource, State, Value, fields
from onecard.script import Answer

RECORD = "lock.yml"
_INSTALLED = ".onecard-installed"  # written last: an installation that was cut off does not count
_PASSED = ".onecard-checks"


@dataclass(frozen=True)
class UvPython(Resource):
    """An interpreter that uv brings, version `3.12`, in /opt/onecard/python."""

    version: str

    @property
    def name(self) -> str:
        return f"python {self.version} from uv"

    def probe(self) -> str:
        # uv writes the folder elsewhere and moves it here whole.
        return (
            f"for python in {layout.PYTHONS}/cpython-{self.version}*/bin/python{self.version}; do "
            '[ ! -x "$python" ] || "$python" -I -c "import sys; '
            "print('version=%d.%d' % sys.version_info[:2])\"; done"
        )

    def read(self, answer: Answer) -> State:
        return fields(answer.output) or ABSENT

    def desired(self) -> State:
        return {"version": self.version}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"{layout.UV} python install --no-bin --reinstall {self.version}"

    def advice(self) -> str:
        return (
            "uv takes interpreters from GitHub; set indexes.python_mirror, or python.source system "
            "with a python.version that the box has"
        )


@dataclass(frozen=True)
class Mend:
    """A change to an installed package. test: shell, exit code 0 when it is made. make: makes it.

    Both run with $site as the environment's site-packages.
    """

    name: str
    test: str
    make: str


@dataclass(frozen=True)
class Environment(Resource):
    """A lock's virtual environment: packages, mends, passed checks, and last the lock itself.

    One resource, since each step undoes the proof of those behind it: a package that is installed
    anew wants its mend again, and every check.

    python: `3.11`; python_from: `system` or `uv`. packages: name -> version.
    places: uv's arguments that say where packages come from, each tried in turn.
    record: the lock as text, written to lock.yml once all is well: what lacks it is not complete.
    driver: the NVIDIA driver's version; with another one the checks are made again.
    """

    path: str
    python: str
    python_from: str
    packages: Mapping[str, str] = field(hash=False)
    record: str
    checks: tuple[EnvironmentCheck, ...]
    mends: tuple[Mend, ...] = ()
    places: tuple[tuple[str, ...], ...] = ((),)
    driver: str = ""

    @property
    def name(self) -> str:
        return f"environment {self.path}"

    def probe(self) -> str:
        # The folder names tell name and version without starting an interpreter; RECORD is the
        # last file of a package that an installer writes.
        path = shlex.quote(self.path)
        lines = [
            f"[ -f {path}/{_INSTALLED} ] || exit 0",
            f'{path}/bin/python -I -c "import sys; '
            "print('python=%d.%d' % sys.version_info[:2])\" 2>/dev/null || exit 0",
            f"site=$(echo {path}/lib/python3*/site-packages)",
            'for record in "$site"/*.dist-info/RECORD; do '
            'record=${record%/RECORD}; echo "package=${record##*/}"; done',
            *(
                f"if {mend.test}; then echo {shlex.quote(f'mend {mend.name}=made')}; fi"
                for mend in self.mends
            ),
            f"cat {path}/{_PASSED} 2>/dev/null",
            f"[ ! -f {path}/{RECORD} ] || sha256sum <{path}/{RECORD} | sed 's/ .*//; s/^/record=/'",
        ]
        return "\n".join(lines)

    def read(self, answer: Answer) -> State:
        told = fields(answer.output)
        if "python" not in told:
            return ABSENT
        found = set()
        for line in answer.output.splitlines():
            if line.startswith("package="):
                name, _, version = line.removesuffix(".dist-info").rpartition("-")
                found.add(f"{normalised(name.removeprefix('package='))}=={version}")
        wanted = [f"{name}=={_folded(version)}" for name, version in self.packages.items()]
        missing = [each.partition("==")[0] for each in wanted if each not in found]
        kept = {key: value for key, value in told.items() if key != "package"}
        return {**kept, "missing": " ".join(sorted(missing))}

    def desired(self) -> State:
        return {
            "python": self.python,
            "missing": "",
            **{f"mend {mend.name}": "made" for mend in self.mends},
            **{f"check {check.name}": self._passed(check) for check in self.checks},
            "record": hashlib.sha256(self.record.encode()).hexdigest(),
        }

    def fix(self, differences: Differences, actual: State) -> str:
        path = shlex.quote(self.path)
        whole = "python" in differences
        installs = whole or "missing" in differences
        checks = [
            check for check in self.checks if installs or f"check {check.name}" in differences
        ]
        lines = [f"rm -f {path}/{RECORD}"]
        if installs:
            lines.append(self._install(str(actual.get("missing", "")).split(), whole=whole))
        lines.append(f"site=$(echo {path}/lib/python3*/site-packages)")
        lines += [f"{mend.test} || {{\n{mend.make}\n}}" for mend in self.mends]
        lines += [self._check(check) for check in checks]
        lines += [
            f"cat >{path}/{RECORD}.new <<'@end'\n{self.record}@end",
            f"mv {path}/{RECORD}.new {path}/{RECORD}",
        ]
        return "\n".join(lines)

    def trouble(self, output: Sequence[str]) -> str:
        titles = {_title(check): check for check in self.checks}
        made = [number for number, line in enumerate(output) if line in titles]
        if made:
            check = titles[output[made[-1]]]
            outcome = read(check, "\n".join(output[made[-1] + 1 :]))
            if outcome.trouble:
                return f"check {check.name}: {outcome.line}"
        return ""

    def advice(self) -> str:
        return (
            "a package that is gone from the indexes, or a Python that is gone from the box, wants "
            "another lock: invoke upgrade"
        )

    def _install(self, missing: Sequence[str], *, whole: bool) -> str:
        path = shlex.quote(self.path)
        install = [layout.UV, "pip", "install", "--no-deps", "--python", f"{self.path}/bin/python"]
        for name in () if whole else missing:
            install += ["--reinstall-package", name]
        requirements = f"{self.path}/requirements.txt"
        tries = [shlex.join((*install, *place, "-r", requirements)) for place in self.places]
        preference = "only-managed" if self.python_from == "uv" else "only-system"
        venv = (
            f"{layout.UV} venv -q --no-python-downloads --python-preference {preference} "
            f"--python {self.python} {path}"
        )
        pins = "".join(f"{name}=={version}\n" for name, version in sorted(self.packages.items()))
        return "\n".join(
            [
                f"rm -rf {path}/{_PASSED} {path}/{_INSTALLED}",
                *([f"rm -rf {path}", venv] if whole else []),
                f"cat >{requirements} <<'@end'\n{pins}@end",
                " || ".join(tries),
                f"touch {path}/{_INSTALLED}",
            ]
        )

    def _check(self, check: EnvironmentCheck) -> str:
        passed = shlex.quote(f"check {check.name}={self._passed(check)}")
        return (
            f"echo; echo {shlex.quote(_title(check))}\n{check.script(self.path)}\n"
            f"echo {passed} >>{shlex.quote(self.path)}/{_PASSED}"
        )

    def _passed(self, check: EnvironmentCheck) -> str:
        return f"{check.fingerprint} {self.driver}".strip()


def _title(check: EnvironmentCheck) -> str:
    return f"check {check.name}:"


@dataclass(frozen=True)
class Unresolved(Resource):
    """The environment of a host that has no lock yet: what --check shows of it."""

    asked: str

    @property
    def name(self) -> str:
        return f"environment for {self.asked}"

    def probe(self) -> str:
        return ":"

    def read(self, answer: Answer) -> State:
        return ABSENT

    def desired(self) -> State:
        state: dict[str, Value] = {"lock": "resolved by the first provision"}
        return state

    def fix(self, differences: Differences, actual: State) -> str:
        return "echo 'error: this host has no lock; run: invoke provision'; exit 1"


def _folded(version: str) -> str:
    """Return a version as it stands in the name of a dist-info folder."""
    return version.replace("-", "_")
