"""The program that calls uv on a box, run as it is there, with an environment and a uv of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from roles.python import PROGRAM

# uv gives its lock files the mode 0666 whatever the umask.
UV = """#!/bin/sh
set -e
cat "$UV_CONFIG_FILE"
cd @home@
for folder in uv-cache/wheels-v8/x python venvs/a models/m uv-cache/archive-v0/p; do
  mkdir -p $folder; : >$folder/.lock; : >"$folder/a b.lock"; chmod 666 $folder/*.lock $folder/.lock
done
: >uv-cache/data; chmod 666 uv-cache/data
exit $1
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A box's root below a folder; returns the program."""
    home = tmp_path / "onecard"
    uv = home / "tools" / "venv" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(UV.replace("@home@", str(home)))
    uv.chmod(0o755)
    (tmp_path / "theirs.lock").touch()
    (tmp_path / "theirs.lock").chmod(0o666)
    keys = "wheels url python_mirror python_list credentials"
    settings = {**dict.fromkeys(keys.split(), ""), "extra_urls": [], "find_links": []}
    settings |= {"url": "https://packages.example", "cache": f"{home}/uv-cache"}
    settings["pythons"] = f"{home}/python"
    (home / "tools" / "indexes.json").write_text(json.dumps(settings))
    path = home / "tools" / "uv"
    path.write_text(f"#!{sys.executable}\n{PROGRAM.read_text('utf-8')}")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("code", [0, 3])
def test_nobody_else_may_write_to_a_lock_that_uv_made(
    program: Path, tmp_path: Path, code: int
) -> None:
    done = subprocess.run([program, str(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert 'index-url = "https://packages.example"' in done.stdout
    home = tmp_path / "onecard"
    open_to_all = {
        str(path.relative_to(home)) for path in home.rglob("*") if path.stat().st_mode & 0o002
    }
    beside = {
        f"{folder}/{name}"
        for folder in ("models/m", "uv-cache/archive-v0/p")
        for name in (".lock", "a b.lock")
    }
    assert open_to_all == {*beside, "uv-cache/data"}  # nothing but uv's own locks is touched
    assert (tmp_path / "theirs.lock").stat().st_mode & 0o002
