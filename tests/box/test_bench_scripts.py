"""The benchmark scripts that the documentation names, each in its shortest form."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.box.conftest import PROJECT, Controller

pytestmark = pytest.mark.box


def run(script: str, *words: str | Path, **settings: Any) -> str:
    """Return the standard output of a script that succeeds."""
    done = subprocess.run(
        [sys.executable, PROJECT / script, *words],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        **settings,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_comparison_with_peers(
    controller: Controller, provisioned: Any, tmp_path: Path
) -> None:
    figures = tmp_path / "figures.json"
    page = tmp_path / "RESULTS.md"
    words = ("--repeats", "1", "--delay-ms", "1", "--installed", "--growth", "2")
    words = (*words, "--json", figures, "--results", page, "--plots", tmp_path)
    table = run("bench/run.py", *words, env=controller.environment)
    found = json.loads(figures.read_text())
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["invoke provision"]["round_trips"] == 1
    assert rows["invoke provision, keep_connection"]["round_trips"] == 1
    assert {path.name for path in tmp_path.glob("*.svg")} == {
        "growth-hosts.svg",
        "growth-files.svg",
    }
    assert page.read_text() in table
    trips = {runs[0]["round_trips"] for runs in found["files"].values()}
    assert trips == {1}
    for name, row in rows.items():
        assert f"| {name} |" in table
        assert [len(row[route]) for route in ("direct", "slow")] == [1, 1]
        assert min(*row["direct"], *row["slow"]) > 0


def test_the_time_of_verifying_the_files_of_an_environment() -> None:
    found = json.loads(run("bench/environment_files.py", "--files", "2000", "--repeats", "1"))
    assert found["files"] == 2000
    assert len(found["warm_s"]) == 1


def test_no_script_that_the_documentation_names_is_left_out() -> None:
    pages = [PROJECT / "bench" / "README.md", *(PROJECT / "docs").glob("*.md")]
    named = {
        script
        for page in pages
        for script in re.findall(r"python (bench/\w+\.py)", page.read_text(encoding="utf-8"))
    }
    assert named == {"bench/run.py", "bench/environment_files.py"}
