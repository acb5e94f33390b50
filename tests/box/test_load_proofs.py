"""certify and soak on a real box: what is held at once, and a server that dies under load."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

from pytest import mark

from onecard.records import Run, find_runs
from tests.box.conftest import SERVER, Box, Controller, wait_until

pytestmark = mark.box


def test_certify_proves_that_requests_are_held_at_once(
    controller: Controller, deployed: Any
) -> None:
    words = ("--requests", "2", "--ctx", "1k")
    found = controller.json("certify", "--host", "sandbox", *words)
    assert (found["held"], found["verdict"], found["requests"]) == (True, "held", 2)
    assert found["line"].startswith("holds 2 x 1,024 at once; the 3rd is held too; vLLM logs ")
    different, one_more, shared = found["loads"]
    for load, count in ((different, 2), (one_more, 3), (shared, 2)):
        assert (load["answered"], load["at_once"], load["preemptions"]) == (count, count, 0)
        assert load["last_in_s"] < load["first_end_s"]
        for times in load["times"]:
            assert 1000 <= times["prompt_tokens"] + times["completion_tokens"] <= 1024
    assert different["prefix_hits"] == 0
    assert shared["prefix_hits"] > 0
    assert 0 < found["kv_use"] < 2 * found["kv_use_expected"]
    run = controller.last_run("certify")
    assert [held["name"] for held in run.all("held")] == [
        "alone",
        "different",
        "one more",
        "shared",
    ]
    assert controller.invoke("certify", "--host", "sandbox", "--ctx", "8k").returncode == 2


def begun_soak(controller: Controller) -> subprocess.Popen[str]:
    """Begin a soak of ten minutes; return once it has sampled the server a few times."""
    earlier = len(soaks(controller))
    running = controller.begin("soak", "--host", "sandbox", "--for", "10m", "--rate", "4")
    wait_until(
        running,
        lambda: len(soaks(controller)) > earlier and len(soaks(controller)[-1].all("sample")) > 3,
    )
    return running


def soaks(controller: Controller) -> list[Run]:
    return [run for run in find_runs("box1", controller.runs)[0] if run.kind == "soak"]


def test_soak_ends_with_its_result_after_ctrl_c(controller: Controller, deployed: Any) -> None:
    running = begun_soak(controller)
    running.send_signal(signal.SIGINT)
    _, reported = running.communicate(timeout=100)
    found = soaks(controller)[-1].last("soak")
    assert found is not None, reported
    assert (running.returncode, found["ok"], found["faults"]) == (0, True, []), reported
    assert found["seconds"] < found["for_s"] == 600
    assert found["counts"]["answered"] > 5
    assert found["kv_use_after"] == 0
    assert all(sample["process_gib"] > 0.3 for sample in soaks(controller)[-1].all("sample"))


def test_soak_finds_a_server_that_dies(controller: Controller, box: Box, deployed: Any) -> None:
    before = box(SERVER)
    running = begun_soak(controller)
    box("pkill -KILL -f VLLM::[E]ngineCore")
    _, reported = running.communicate(timeout=100)
    found = soaks(controller)[-1].last("soak")
    assert found is not None, reported
    assert (running.returncode, found["ok"]) == (1, False)
    assert found["death"].startswith("the server ended: ")
    assert found["seconds"] < 100
    # vLLM ends with exit code 0 when its engine has died, and is started again all the same.
    wait_until(None, lambda: controller.invoke("status", "--host", "sandbox").returncode == 0)
    assert box(SERVER) != before
