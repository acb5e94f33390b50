"""The virtual environment of one lock."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from onecard.box import paths
from onecard.checks import EnvironmentCheck, files_check, read
from onecard.inventory.lock import normalised
from onecard.resources.base import ABSENT, Differences, Resource, State, Value, fields
from onecard.resources.python.uv_errors import missing_wheel
from onecard.ssh.probe_batch import Answer

RECORD = "lock.yml"
_PASSED = ".onecard-checks"


@dataclass(frozen=True)
class UvPython(Resource):
    """An interpreter that uv installs, version `3.12`, in /opt/onecard/python."""

    version: str

    @property
    def name(self) -> str:
        return f"python {self.version} from uv"

    def probe(self) -> str:
        # uv writes the folder elsewhere and moves it here when it is complete.
        return (
            f"for python in {paths.PYTHONS}/cpython-{self.version}*/bin/python{self.version}; do "
            '[ ! -x "$python" ] || "$python" -I -c "import sys; '
            "print('version=%d.%d' % sys.version_info[:2])\"; done"
        )

    def read(self, answer: Answer) -> State:
        return fields(answer.output) or ABSENT

    def desired(self) -> State:
        return {"version": self.version}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"{paths.UV} python install --no-bin --reinstall {self.version}"

    def advice(self) -> str:
        return (
            "uv downloads interpreters from GitHub; set indexes.python_mirror, or python.source "
            "system with a python.version that the box has"
        )


@dataclass(frozen=True)
class Patch:
    """A change to a package. test: shell, exit code 0 if applied. apply: shell that applies it.

    Both run with $site as the environment's site-packages. file: the package's file that it
    changes, as RECORD names it; empty when it only adds one.
    """

    name: str
    test: str
    apply: str
    file: str = ""


@dataclass(frozen=True)
class Environment(Resource):
    """A lock's virtual environment: packages, patches, passed checks, and last the lock itself.

    One resource, since each step invalidates the later ones: packages that are installed again
    need their patches and all checks again. Where a package or one of its files is missing, the
    environment is built again in a folder beside it, which replaces it once it has passed: the
    releases that refer to this path can start again.

    python: `3.11`; python_from: `system` or `uv`. packages: name -> version.
    places: uv's arguments for where packages come from, tried in turn.
    record: the lock as text, written to lock.yml last: without it the environment is incomplete.
    driver: the NVIDIA driver's version; with another one the checks run again.
    libraries: the server's LD_LIBRARY_PATH, which the checks run with too.
    room_gib: approximate size on disk.
    shortage: what to say where no place has a package, with `{}` for it; empty for `advice`.
    """

    path: str
    python: str
    python_from: str
    packages: Mapping[str, str] = field(hash=False)
    record: str
    checks: tuple[EnvironmentCheck, ...]
    patches: tuple[Patch, ...] = ()
    places: tuple[tuple[str, ...], ...] = ((),)
    driver: str = ""
    libraries: str = ""
    room_gib: float = 0
    shortage: str = ""

    @property
    def name(self) -> str:
        return f"environment {self.path}"

    def probe(self) -> str:
        path = shlex.quote(self.path)
        lines = [
            f"[ -x {path}/bin/python3 ] || exit 0",
            self._files.script(self.path),
            f"for site in {path}/lib/python3*/site-packages; do :; done",
            *(
                f"if {patch.test}; then echo {shlex.quote(f'patch {patch.name}=applied')}; fi"
                for patch in self.patches
            ),
            f"cat {path}/{_PASSED} 2>/dev/null",
            f"[ ! -f {path}/{RECORD} ] || {{ sum=$(sha256sum <{path}/{RECORD}); "
            'echo "record=${sum%% *}"; }',
        ]
        return "\n".join(lines)

    def read(self, answer: Answer) -> State:
        values = fields(answer.output)
        if "python" not in values:
            return ABSENT
        lines = [line.partition("=") for line in answer.output.splitlines()]
        found = set()
        for folder in (value for key, _, value in lines if key == "package"):
            name, _, version = folder.removesuffix(".dist-info").rpartition("-")
            found.add(f"{normalised(name)}=={version}")
        wanted = [f"{name}=={_folded(version)}" for name, version in self.packages.items()]
        missing = [each.partition("==")[0] for each in wanted if each not in found]
        desired = self.desired()
        state = {key: value for key, value in values.items() if key in desired}
        return {
            **state,
            "missing": " ".join(sorted(missing)),
            "files": read(self._files, answer.output).trouble or "complete",
        }

    def desired(self) -> State:
        return {
            "python": self.python,
            "missing": "",
            "files": "complete",
            **{f"patch {patch.name}": "applied" for patch in self.patches},
            **{f"check {check.name}": self._passed(check) for check in self.checks},
            "record": hashlib.sha256(self.record.encode()).hexdigest(),
        }

    def fix(self, differences: Differences, actual: State) -> str:
        whole = not {"python", "missing", "files"}.isdisjoint(differences)
        path = self._stage if whole else self.path
        checks = [check for check in self.checks if whole or f"check {check.name}" in differences]
        lines = self._install() if whole else [f"rm -f {shlex.quote(path)}/{RECORD}"]
        lines.append(f"site=$(echo {shlex.quote(path)}/lib/python3*/site-packages)")
        lines += [f"{patch.test} || {{\n{patch.apply}\n}}" for patch in self.patches]
        lines += [self._check(check, path) for check in ([self._files] if whole else []) + checks]
        record = shlex.quote(f"{path}/{RECORD}")
        lines += [f"cat >{record}.new <<'@end'\n{self.record}@end", f"mv {record}.new {record}"]
        return "\n".join([*lines, *(self._replace() if whole else [])])

    def clean_up(self) -> str:
        return f"rm -rf {shlex.quote(self._stage)}"

    @property
    def needed_gib(self) -> float:
        return self.room_gib

    def trouble(self, output: Sequence[str]) -> str:
        titles = {_title(check): check for check in (self._files, *self.checks)}
        started = [number for number, line in enumerate(output) if line in titles]
        if started:
            check = titles[output[started[-1]]]
            outcome = read(check, "\n".join(output[started[-1] + 1 :]))
            if outcome.trouble:
                return f"check {check.name}: {outcome.line}"
        lacking = missing_wheel("\n".join(output)) if self.shortage else ""
        return self.shortage.replace("{}", lacking) if lacking else ""

    def advice(self) -> str:
        return (
            "if a package is gone from the indexes, or the Python from the box, make a new lock: "
            "invoke upgrade"
        )

    @property
    def _stage(self) -> str:
        # The same length as the path: scripts that contain it have the sizes in RECORD.
        return f"{self.path[:-1]}_"

    @property
    def _files(self) -> EnvironmentCheck:
        return files_check([patch.file for patch in self.patches if patch.file])

    def _install(self) -> list[str]:
        """Return commands that install the packages into the stage.

        A file is a hard link to uv's cache, which may be damaged too: an incomplete package is
        downloaded again, and a file that is missing then is not in the wheel.
        """
        stage = shlex.quote(self._stage)
        python = f"{self._stage}/bin/python"
        install = (paths.UV, "pip", "install", "--no-deps", "--python", python)
        requirements = f"{self._stage}/requirements.txt"
        commands = [shlex.join((*install, *place, "-r", requirements)) for place in self.places]
        tries = " || ".join(f'{command} "$@"' for command in commands)
        preference = "only-managed" if self.python_from == "uv" else "only-system"
        pins = "".join(f"{name}=={version}\n" for name, version in sorted(self.packages.items()))
        return [
            f"rm -rf {stage}",
            f"{paths.UV} venv -q --no-python-downloads --python-preference {preference} "
            f"--python {self.python} {stage}",
            f"cat >{shlex.quote(requirements)} <<'@end'\n{pins}@end",
            f"install() {{ {tries}; }}",
            "install",
            f"damaged=$({files_check().script(self._stage)}\n) || {{",
            'damaged=$(echo "$damaged" | sed -n "s/^damaged=//p")',
            '[ -n "$damaged" ]',  # without a name, uv would clean the whole cache
            f"{paths.UV} cache clean -q $damaged",
            'install $(echo "$damaged" | sed "s/^/--reinstall-package /")',
            files_check(("--accept",)).script(self._stage),
            "}",
        ]

    def _replace(self) -> list[str]:
        """Return commands that replace the environment with the stage."""
        path, stage = shlex.quote(self.path), shlex.quote(self._stage)
        return [
            f"grep -rlIF {stage} {stage}/bin | xargs -r sed -i 's|{self._stage}|{self.path}|g'",
            f"rm -rf {path}.old",
            f"[ ! -e {path} ] || mv -T {path} {path}.old",
            f"mv -T {stage} {path}",
            f"rm -rf {path}.old",
        ]

    def _check(self, check: EnvironmentCheck, path: str) -> str:
        passed = shlex.quote(f"check {check.name}={self._passed(check)}")
        return (
            f"echo; echo {shlex.quote(_title(check))}\n{check.script(path, self.libraries)}\n"
            f"echo {passed} >>{shlex.quote(path)}/{_PASSED}"
        )

    def _passed(self, check: EnvironmentCheck) -> str:
        return f"{check.fingerprint} {self.driver}".strip()


def _title(check: EnvironmentCheck) -> str:
    return f"check {check.name}:"


@dataclass(frozen=True)
class Unresolved(Resource):
    """The environment of a host that has no lock yet, for --check."""

    request: str

    @property
    def name(self) -> str:
        return f"environment for {self.request}"

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
