"""tune on a real box with the real server: one trial, measured and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.box.conftest import Box, Controller, in_force, serving

pytestmark = pytest.mark.box

TUNE = ("tune", "--host", "sandbox", "--only", "max_num_seqs,kv_cache_dtype", "--concurrency", "1")
LOAD = ("--requests", "4", "--input-tokens", "64", "--output-tokens", "8", "--repeats", "2")


def test_a_trial_is_measured_beside_the_release_in_force_which_comes_back(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    listed = controller.json(*TUNE, "--check")
    assert [each["title"] for each in listed["candidates"]] == ["max_num_seqs 1"]

    found = controller.json(*TUNE, *LOAD, "--goal", "ttft<20s,p95<60s")
    (trial,) = found["trials"]
    assert trial["settings"] == {"max_num_seqs": 1}
    assert trial["outcome"] in {"better", "no gain shown"}, trial
    assert [each["option"] for each in found["left_out"]] == ["kv_cache_dtype"]
    for server in (found["base"], trial):
        assert server["answers"]["smoke"] == server["answers"]["cases"] == 12
        assert server["answers"]["grounding_asked"] == 24
        assert [each["completed"] for each in server["rounds"]] == [4, 4]
    # The same requests on both, and again on what came back.
    prompts = [
        [each["prompt_tokens"] for each in server["rounds"]] for server in (found["base"], trial)
    ]
    assert prompts[0] == prompts[1]
    for ratio in (trial["gain"], trial["use"], found["control"]):
        assert 0 <= ratio["low"] <= ratio["value"] <= ratio["high"]

    assert (found["settings"] == {"max_num_seqs": 1}) == bool(found["confirmed"])

    assert serving(controller) == good
    releases = controller.json("releases", "--host", "sandbox")["releases"]
    tried = releases[-1]["number"]
    assert "`invoke tune`" in releases[-1]["who"]
    assert "--max-num-seqs 1" in box(f"cat /opt/onecard/releases/{tried}/vllm.service")
    assert "before-measurement" not in box("ls /opt/onecard")
    assert box("ls -d /run/onecard-bench 2>/dev/null || echo none").strip() == "none"
    run = controller.last_run("tune")
    assert (run.status, len(run.all("trial")), len(run.all("restored"))) == ("done", 1, 1)
    assert (run.last("tune") or {})["line"] == found["line"]


def test_settings_that_are_not_in_force_are_no_place_to_start(
    controller: Controller, good: dict[str, Any]
) -> None:
    done = controller.invoke(*TUNE, "-e", "serve.max_num_seqs=7")
    assert done.returncode == 1
    assert "is not what the inventory says" in done.stderr
    assert "Traceback" not in done.stderr
    assert in_force(controller) == good
