"""Flags that are typed half are completed; a command line that is wrong ends with code 2."""

from __future__ import annotations

import subprocess
import sys

import pytest

from onecard.project import PROJECT
from onecard.shipped import SHIPPED

PROGRAMS = {
    "invoke": ["-m", "invoke"],
    "onecard": ["-c", "from onecard.cli.program import main; main()"],
}


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *PROGRAMS[program], *words],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(SHIPPED)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_completion(program: str) -> None:
    flags = run(program, "--complete", "--", f"{program} hosts --ho").stdout.split()
    assert {"--host", "--json", "--inventory"} <= set(flags)
    assert "deploy" in run(program, "--complete", "--", f"{program} de").stdout.split()


@pytest.mark.parametrize(
    ("program", "words", "text"),
    [
        ("invoke", "hosts --nosuch", "No idea what '--nosuch' is!"),
        ("invoke", "--help nosuch", "No idea what 'nosuch' is!"),
        ("onecard", "--print-completion-script nosh", '"nosh" not supported'),
    ],
)
def test_exit_code_2_and_the_text_once(program: str, words: str, text: str) -> None:
    done = run(program, *words.split())
    assert done.returncode == 2
    assert done.stderr.count(text) == 1
    assert len(done.stderr.splitlines()) == 1
