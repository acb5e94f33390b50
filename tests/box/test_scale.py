"""scale on a real box with the real server: broken off, put right, gone on with."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from onecard.records import Run, read_run
from tests.box.conftest import Box, Controller, wait_until

pytestmark = pytest.mark.box

SCALE = ("scale", "--host", "sandbox", "--ctx", "4096,65536,400000")
UNIT = "cat /etc/systemd/system/vllm.service /etc/onecard/vllm.env; readlink /opt/onecard/releases/current"


def broken_off(
    controller: Controller, box: Box, running: subprocess.Popen[str], stop: Callable[[], None]
) -> tuple[Run, str]:
    """Stop a scale run at its second context; return its record and its output."""
    wait_until(running, lambda: "--max-model-len 65536" in box(UNIT))
    stop()
    _, reported = running.communicate(timeout=400)
    assert running.returncode == 1, reported
    assert "Traceback" not in reported
    assert controller.json("status", "--host", "sandbox")["status"] == "serving"
    return controller.last_run("scale"), reported


def test_scale_is_broken_off_put_right_and_gone_on_with(
    controller: Controller, box: Box, deployed: Any
) -> None:
    """Broken off by Ctrl-C, then by a terminal that is closed."""
    release = controller.json("deploy", "--host", "sandbox")["release"]
    before = box(UNIT)
    running = controller.begin(*SCALE)
    run, reported = broken_off(controller, box, running, lambda: running.send_signal(signal.SIGINT))
    assert f"putting back what ran before: release {release}, tiny-vqa at 4,096" in reported
    assert box(UNIT) == before
    assert run.status == "interrupted"
    assert [row["ctx"] for row in run.all("row")] == [4096]
    assert len(run.all("restored")) == 1

    near, far = pty.openpty()
    running = controller.begin(*SCALE, before=("setsid", "--ctty"), stdin=far)
    os.close(far)
    again, reported = broken_off(controller, box, running, lambda: os.close(near))
    assert f"putting back what ran before: release {release}, tiny-vqa at 4,096" in reported
    assert box(UNIT) == before
    assert (again.path, again.status, len(again.all("restored"))) == (run.path, "interrupted", 2)

    report = controller.json(*SCALE, code=1)  # 400,000 is refused
    done = read_run(run.path)
    assert (done.status, len(done.all("resume"))) == ("failed", 2)
    noted = [
        {k: v for k, v in row.items() if k not in {"event", "time"}} for row in done.all("row")
    ]
    assert noted == report["rows"]
    first, second, refused = done.all("row")
    assert (refused["ctx"], refused["configured"]) == (400000, "refused")
    assert "262,144" in refused["reason"]
    for row, ctx in ((first, 4096), (second, 65536)):
        assert (row["ctx"], row["configured"], row["smoke_ok"]) == (ctx, "yes", True)
        assert row["answered_s"] > 1
        assert {"configuration", "KV cache"} <= {phase["phase"] for phase in row["phases"]}
        assert row["memory"]["kv_available_gib"] == 0.25
        assert row["kv_concurrency"] > 1
        assert 0.3 < row["process_peak_gib"] < 20
        long = row["long_request"]
        assert long["answered"]
        assert long["right"] in {True, False}
        assert 0.9 * ctx < long["prompt_tokens"] <= 0.96 * ctx
        assert 0 < long["ttft_s"] <= long["latency_s"]
    assert box(UNIT) == before
    assert "before-measurement" not in box("ls /opt/onecard")
    assert controller.json("smoke", "--host", "sandbox", "--repeats", "1")["failed"] == 0


def test_scale_runs_are_listed_and_their_records_hold_no_key(
    controller: Controller, box: Box, deployed: Any
) -> None:
    key = box("sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()
    for path in controller.runs.rglob("*.jsonl"):
        assert key not in path.read_text()
    listed = controller.json("runs", "--host", "box1")["runs"]
    assert "scale" in {run["kind"] for run in listed}
    assert all(run["broken_lines"] == 0 for run in listed)
    assert "contexts served" in controller.invoke("runs").stdout
