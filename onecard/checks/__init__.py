"""Checks that an environment must pass before the server may use it, each with its fix.

Each check is a plain program in `onecard/checks/programs` that imports only the standard library
and what it checks. It is sent to the box and run by the environment's own Python. It prints
lines `key=value`, and last `passed=yes` or `trouble=WHY`.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from onecard.box.paths import server_path

_FOLDER = Path(__file__).parent / "programs"


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.py").read_text("utf-8")


@dataclass(frozen=True)
class EnvironmentCheck:
    """One check. fix: what to do when it fails, in one line. arguments: of its program."""

    name: str
    fix: str
    arguments: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """Return the program's text."""
        return _text(self.name)

    @property
    def fingerprint(self) -> str:
        """Return a hash of the program and its arguments, 12 hexadecimal digits."""
        text = "\0".join((self.program, *self.arguments))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def script(self, venv: str, libraries: str = "") -> str:
        """Return shell that runs it with the server's PATH; exit code 0 when it passed, else 1.

        libraries: the server's LD_LIBRARY_PATH, if it has one.
        """
        python = shlex.quote(f"{venv}/bin/python3")
        loader = f"LD_LIBRARY_PATH={shlex.quote(libraries)} " if libraries else ""
        return (
            f"{loader}PATH={shlex.quote(server_path(venv))} {python} -I - "
            f"{shlex.join(self.arguments)} <<'@check'\n{self.program}@check"
        )


@dataclass(frozen=True)
class Outcome:
    """A check's result. trouble: empty when it passed. values: its other lines, in order."""

    check: EnvironmentCheck
    trouble: str
    values: tuple[tuple[str, str], ...] = ()

    @property
    def line(self) -> str:
        """Return the result in one line, with the fix if it failed."""
        if self.trouble:
            return f"{self.trouble}; {self.check.fix}"
        return ", ".join(f"{key} {value}" for key, value in self.values)


def read(check: EnvironmentCheck, output: str) -> Outcome:
    """Parse a check's output; output that ends too early is trouble too."""
    pairs = [line.partition("=") for line in output.splitlines()]
    values = [(key, value) for key, sign, value in pairs if sign and key.isidentifier()]
    verdicts = {key: value for key, value in values if key in ("passed", "trouble")}
    rest = tuple((key, value) for key, value in values if key not in ("passed", "trouble"))
    if verdicts.get("passed") == "yes":
        return Outcome(check, "", rest)
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no output")
    return Outcome(check, verdicts.get("trouble") or f"the check itself ended early: {last}", rest)


def environment_checks(accelerator: str) -> tuple[EnvironmentCheck, ...]:
    """Return the checks that an environment for `nvidia` or `cpu` has to pass, cheapest first."""
    header = "install the headers of the environment's own Python (python3-dev or python3.X-dev)"
    card = {
        "nvidia": "see invoke doctor; the driver must suit the build's CUDA (13 needs >= 580)",
        "cpu": "this build does not run on the box's processor: use another box",
    }
    pairs = "the builds do not match: resolve them again with invoke upgrade"
    return (
        EnvironmentCheck("header", header),
        EnvironmentCheck("tools", "install build-essential; ninja comes with vLLM: invoke upgrade"),
        EnvironmentCheck("torch", card[accelerator], (accelerator,)),
        EnvironmentCheck("versions", pairs, (accelerator,)),
    )


def files_check(changed_later: Sequence[str] = ()) -> EnvironmentCheck:
    """Return the check that every file of the installed packages exists, with its size.

    changed_later: files, as listed in RECORD, that may have another size. 60,000 files take
    0.5 s, or 2.6 s with cold kernel caches (bench/environment_files.py).
    """
    return EnvironmentCheck("files", "run invoke provision to rebuild it", tuple(changed_later))


def architecture_check(config: str) -> EnvironmentCheck:
    """Return the check that vLLM knows the model of a config.json."""
    return EnvironmentCheck(
        "architecture",
        "use a newer vLLM (vllm.channel nightly, then invoke upgrade) or another model; "
        "serve.extra_args [--model-impl, transformers] skips this check",
        (config,),
    )
