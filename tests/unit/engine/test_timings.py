"""The stages of a run: where each began, how long it took, what the box did meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from onecard.console.timings_table import print_timings
from onecard.engine.host_report import HostReport
from onecard.engine.timings import Timings, process_seconds
from onecard.project import PROJECT
from tests.support.engine_run import Marker, Run


def test_a_stage_is_timed_also_where_it_fails() -> None:
    timings = Timings()
    with pytest.raises(ZeroDivisionError), timings.stage("login"):
        time.sleep(0.05)
        raise ZeroDivisionError
    (stage,) = timings.stages
    assert stage.seconds == pytest.approx(0.05, abs=0.04)
    assert timings.to_json() == [
        {"stage": "login", "began_ms": round(stage.began * 1000), "ms": round(stage.seconds * 1000)}
    ]


def test_the_process_has_its_start_before_its_first_import() -> None:
    program = (
        "import time; time.sleep(0.5)\n"
        "from onecard.engine.timings import process_seconds; print(process_seconds())"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert 0.45 < float(done.stdout) < time.monotonic() - started + 0.05


def test_a_run_has_its_stages_in_order_and_the_boxs_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path)
    before = process_seconds()
    run([Marker(tmp_path / "a", f"sleep 0.2; touch {tmp_path / 'a'}")])
    stages = run.report.timings.stages
    names = ["facts and probes", "decide", "further probes", "apply and verify"]
    assert [stage.name for stage in stages] == names
    ends = [before, *(stage.began + stage.seconds for stage in stages)]
    assert all(stage.began >= end for stage, end in zip(stages, ends, strict=False))
    assert stages[3].seconds >= 0.2
    assert {"system", "disks", "marker a"} <= set(stages[0].on_box)
    assert run.report.to_json()["timings"][0]["box_ms"].keys() == stages[0].on_box.keys()
    print_timings([run.report])
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "a100-1: began and took, ms"
    assert [line.split(maxsplit=2)[2] for line in shown[1:] if "on the box" not in line] == names


def test_a_report_without_a_run_has_none() -> None:
    assert "timings" not in HostReport("x").to_json()
