"""What an environment must prove before the server may use it, each with its fix.

Every check is a plain program of the standard library (and of what it checks), sent to the box as
it stands in `onecard/data/checks` and run by the environment's own Python. It prints lines
`key=value` and last `passed=yes` or `trouble=WHY`.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from onecard.layout import server_path

_FOLDER = Path(__file__).parent.parent / "data" / "checks"


@dataclass(frozen=True)
class EnvironmentCheck:
    """One check. fix: what to do when it fails, in one line. arguments: of its program."""

    name: str
    fix: str
    arguments: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """Return the program's text."""
        return (_FOLDER / f"{self.name}.py").read_text("utf-8")

    @property
    def fingerprint(self) -> str:
        """Return 12 digits that move with the program and its arguments."""
        text = "\0".join((self.program, *self.arguments))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def script(self, venv: str) -> str:
        """Return shell that runs it with the server's PATH; exit code 0 when it passed, else 1."""
        python = shlex.quote(f"{venv}/bin/python")
        return (
            f"PATH={shlex.quote(server_path(venv))} {python} -I - {shlex.join(self.arguments)} "
            f"<<'@check'\n{self.program}@check"
        )


@dataclass(frozen=True)
class Outcome:
    """What a check said. trouble: empty when it passed. told: its other lines, in order."""

    check: EnvironmentCheck
    trouble: str
    told: tuple[tuple[str, str], ...] = ()

    @property
    def line(self) -> str:
        """Return it in one line, with the fix where there is trouble."""
        if self.trouble:
            return f"{self.trouble}; {self.check.fix}"
        return ", ".join(f"{key} {value}" for key, value in self.told)


def read(check: EnvironmentCheck, output: str) -> Outcome:
    """Return what a check's output says; output that ends too early is trouble too."""
    pairs = [line.partition("=") for line in output.splitlines()]
    told = [(key, value) for key, sign, value in pairs if sign and key.isidentifier()]
    verdicts = {key: value for key, value in told if key in ("passed", "trouble")}
    rest = tuple((key, value) for key, value in told if key not in ("passed", "trouble"))
    if verdicts.get("passed") == "yes":
        return Outcome(check, "", rest)
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no output")
    return Outcome(check, verdicts.get("trouble") or f"the check itself ended early: {last}", rest)


def environment_checks(accelerator: str) -> tuple[EnvironmentCheck, ...]:
    """Return the checks that an environment for `nvidia` or `cpu` has to pass, cheapest first."""
    header = "install the headers of the environment's own Python (python3-dev or python3.X-dev)"
    card = {
        "nvidia": "see invoke doctor; the driver must suit the build's CUDA (13 needs >= 580)",
        "cpu": "this build does not run on the box's processor: take another box",
    }
    pairs = "the builds do not belong together: resolve them anew with invoke upgrade"
    return (
        EnvironmentCheck("header", header),
        EnvironmentCheck("tools", "install build-essential; ninja comes with vLLM: invoke upgrade"),
        EnvironmentCheck("torch", card[accelerator], (accelerator,)),
        EnvironmentCheck("versions", pairs, (accelerator,)),
    )


def architecture_check(config: str) -> EnvironmentCheck:
    """Return the check that vLLM knows the model of a config.json."""
    return EnvironmentCheck(
        "architecture",
        "take a newer vLLM (vllm.channel nightly, then invoke upgrade) or another model; "
        "serve.extra_args [--model-impl, transformers] leaves this check out",
        (config,),
    )
