"""Validation by the engine's own tool, where this computer has it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_QUADLET: Final = ("/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet")
_TIMEOUT_S: Final = 120.0  # kubeconform downloads the schemas that it compares with


@dataclass(frozen=True)
class Validation:
    """What a tool says of a file. tool: its command, empty where this computer has none.

    trouble: what it prints where it refuses the file.
    """

    tool: str = ""
    trouble: str = ""


def validate(kind: str, text: str, name: str) -> Validation:
    """Let the tool of a format (formats.py) read a file of this name with this text."""
    with TemporaryDirectory(prefix="onecard-export-") as folder:
        file = Path(folder) / name
        file.write_text(text, encoding="utf-8")
        command, variables = _COMMANDS[kind](file)
        if not command:
            return Validation()
        tool = " ".join([Path(command[0]).name, *(w for w in command[1:] if w != str(file))])
        try:
            done = _run(command, variables)
        except subprocess.TimeoutExpired:
            return Validation(tool, f"it has not ended within {_TIMEOUT_S:.0f} s")
    trouble = (done.stderr + done.stdout).strip() or f"exit code {done.returncode}"
    return Validation(tool, "" if done.returncode == 0 else trouble)


Command = tuple[list[str], Mapping[str, str]]


def _compose(file: Path) -> Command:
    found = shutil.which("docker")
    if found and _run([found, "compose", "version"]).returncode == 0:
        return [found, "compose", "-f", str(file), "config", "--quiet"], {}
    old = shutil.which("docker-compose")
    return ([old, "-f", str(file), "config", "--quiet"] if old else []), {}


def _quadlet(file: Path) -> Command:
    found = next((each for each in _QUADLET if os.access(each, os.X_OK)), "")
    return ([found, "-dryrun"] if found else []), {"QUADLET_UNIT_DIRS": str(file.parent)}


def _kubernetes(file: Path) -> Command:
    found = shutil.which("kubeconform")
    return ([found, "-strict", "-summary", str(file)] if found else []), {}


_COMMANDS: Final = {"compose": _compose, "quadlet": _quadlet, "k8s": _kubernetes}


def _run(
    command: list[str], variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_TIMEOUT_S,
        check=False,
    )
