"""The end of a command: its exit code, and no traceback where nobody reads what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onecard.project import PROJECT

INVOKE = ["-m", "invoke"]
ONECARD = ["-c", "from onecard.cli.program import main; main()"]
INVENTORY = "all: {hosts: {box: {address: 127.0.0.1, port: 1}}}\n"


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "at once"])
@pytest.mark.parametrize("program", [INVOKE, ONECARD], ids=["invoke", "onecard"])
@pytest.mark.parametrize("words", ["--list", "hosts --json"])
def test_a_reader_that_leaves_early(
    words: str, program: list[str], unbuffered: str, tmp_path: Path
) -> None:
    done = run(program, words, tmp_path, read=False, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("program", [INVOKE, ONECARD], ids=["invoke", "onecard"])
@pytest.mark.parametrize(("words", "code"), [("hosts", 0), ("hosts --host x", 2), ("status", 3)])
def test_exit_codes(words: str, code: int, program: list[str], tmp_path: Path) -> None:
    done = run(program, words, tmp_path)
    assert done.returncode == code, done.stderr


def test_onecard_ends_at_once(tmp_path: Path) -> None:
    """What runs only when Python takes its objects apart does not run."""
    program = (
        f"import sys\nclass Slow:\n  def __del__(self): print('slow')\nx = Slow()\n{ONECARD[1]}"
    )
    done = run(["-c", program], "hosts", tmp_path)
    assert done.stdout.startswith("host ") and "slow" not in done.stdout


def run(
    program: list[str], words: str, inventory: Path, *, read: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program; read: False closes its output before it prints."""
    (inventory / "hosts.yml").write_text(INVENTORY)
    places = {"ONECARD_INVENTORY": str(inventory), "ONECARD_RUNS": str(inventory / "runs")}
    output = subprocess.PIPE
    if not read:
        nobody, output = os.pipe()
        os.close(nobody)
    try:
        return subprocess.run(
            [sys.executable, *program, *words.split()],
            cwd=PROJECT,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **places, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        if not read:
            os.close(output)
