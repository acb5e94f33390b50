"""The loaded driver: output of nvidia-smi -> differences -> what a fix does about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onecard.resources.base import NEEDS_REBOOT, diff
from onecard.resources.system.nvidia import NvidiaDriver, Persistence
from onecard.ssh.probe_batch import Answer
from tests.support.on_shell import fix, look, shell

DRIVER = NvidiaDriver(580)


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        ("580.159.04\n", 0, "answers"),  # of a real H200 machine
        ("580.159.04\n580.159.04\n", 0, "answers"),
        ("590.44.01\n", 0, "answers"),
        ("535.247.01\n", 0, "driver 535.247.01"),
        ("timeout: failed to run command 'nvidia-smi': No such file or directory\n", 127, "not installed"),
        ("Failed to initialize NVML: Driver/library version mismatch\n", 18,
         "Failed to initialize NVML: Driver/library version mismatch"),
        ("", 124, "no output"),
    ],
)  # fmt: skip
def test_driver(output: str, code: int, message: str) -> None:
    actual = DRIVER.understand(Answer(output, code))
    assert actual == {"nvidia-smi": message}
    assert bool(diff(DRIVER.desired(), actual)) == (message != "answers")


@pytest.mark.parametrize(
    ("output", "state"),
    [
        ("boot\nEnabled\n", {"mode": "Enabled", "at boot": True}),
        ("Enabled\n", {"mode": "Enabled", "at boot": False}),
        ("boot\nDisabled\nEnabled\n", {"mode": "Disabled, Enabled", "at boot": True}),
    ],
)
def test_persistence(output: str, state: dict[str, object]) -> None:
    wanted = Persistence()
    assert wanted.understand(Answer(output)) == state
    assert bool(diff(wanted.desired(), state)) == (output != "boot\nEnabled\n")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is looked in first for programs."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_module_that_loads_needs_no_reboot(programs: Path) -> None:
    program(programs, "modprobe", f"touch {programs}/loaded")
    program(programs, "nvidia-smi", f"[ -e {programs}/loaded ] || exit 9; echo 580.95.05")
    assert look(DRIVER) == {"nvidia-smi": "no output"}
    done = shell("\n".join(fix(DRIVER, "", 9)))
    assert (done.returncode, look(DRIVER)) == (0, DRIVER.desired())


def test_a_driver_that_lacked_its_nvidia_smi_alone_needs_no_reboot(programs: Path) -> None:
    missing = fix(DRIVER, "", 127)
    program(programs, "nvidia-smi", "echo 580.95.05")
    program(programs, "modprobe", "exit 1")
    assert shell("\n".join(missing)).returncode == 0


def test_a_loaded_module_whose_nvidia_smi_fails_reports_why(programs: Path) -> None:
    program(programs, "modprobe", ":")
    program(programs, "nvidia-smi", "echo No devices were found; exit 6")
    script = "\n".join(fix(DRIVER, "", 9)).replace("+ 60))", "+ 0))")
    done = shell(script)
    assert done.returncode == NEEDS_REBOOT
    assert done.stdout.splitlines()[-1].endswith("nvidia-smi fails: No devices were found")


@pytest.mark.parametrize(
    ("message", "code", "line"),
    [
        ("FATAL: Module nvidia not found in directory", NEEDS_REBOOT, "has no such module yet"),
        ("could not insert 'nvidia': Key was rejected by service", 1, "error: Secure Boot rejects"),
    ],
)
def test_a_module_that_does_not_load(programs: Path, message: str, code: int, line: str) -> None:
    program(programs, "modprobe", f'echo "{message}" >&2; exit 1')
    done = shell("\n".join(fix(DRIVER, "", 9)))
    assert done.returncode == code
    assert line in done.stdout.splitlines()[-1]
