"""The whole job on a pod with a real GPU. Needs what bundle.py and prepare.sh have made.

ONECARD_GPU_FOLDER=FOLDER pytest tests/gpu -m gpu
"""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from tests.gpu.conftest import Controller
from tests.gpu.pod import GpuPod

pytestmark = pytest.mark.gpu


def server(pod: GpuPod) -> str:
    """Return the PID of the oldest process of the server, empty if none runs."""
    done = subprocess.run(
        ["pgrep", "-of", "bin/vllm serve"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def test_the_facts(controller: Controller) -> None:
    facts = controller.json("facts", "--host", "gpupod")
    (controller.folder / "facts.json").write_text(json.dumps(facts, indent=1))
    assert facts["systemd"] is False
    assert facts["gpus"]
    controller.invoke("doctor", "--host", "gpupod")


def test_provision_and_nothing_to_do(controller: Controller) -> None:
    controller.invoke("provision", "--host", "gpupod")
    [again] = controller.json("provision", "--host", "gpupod")["hosts"]
    assert (again["changed"], again["round_trips"] <= 2) == (0, True)


def test_deploy_and_smoke(controller: Controller) -> None:
    controller.invoke("deploy", "--host", "gpupod")
    assert controller.json("smoke", "--host", "gpupod")["failed"] == 0
    controller.invoke("smoke", "--host", "gpupod")
    controller.invoke("status", "--host", "gpupod")


def test_a_second_release_and_back(controller: Controller) -> None:
    controller.invoke("deploy", "--host", "gpupod", "--ctx", "8192")
    assert controller.json("status", "--host", "gpupod")["ctx"] == 8192
    controller.invoke("rollback", "--host", "gpupod")
    assert controller.json("status", "--host", "gpupod")["ctx"] == 4096
    controller.invoke("releases", "--host", "gpupod")


def test_a_killed_server_is_restarted(controller: Controller, pod: GpuPod) -> None:
    before = server(pod)
    subprocess.run(["kill", "-KILL", before], check=True)
    deadline = time.monotonic() + 180
    while server(pod) in ("", before) or "serving" not in _status(controller):
        assert time.monotonic() < deadline
        time.sleep(2)
    controller.invoke("status", "--host", "gpupod")


def _status(controller: Controller) -> str:
    try:
        return str(controller.json("status", "--host", "gpupod")["status"])
    except AssertionError:
        return ""


def test_a_stopped_pod_serves_again(controller: Controller, pod: GpuPod) -> None:
    wheels = pod.folder / "volume" / "onecard"
    before = sorted(path.name for path in wheels.rglob("*.whl"))
    pod.stop()
    assert server(pod) == ""
    pod.start()
    controller.invoke("trust", "--host", "gpupod", "--replace")
    began = time.monotonic()
    controller.invoke("provision", "--host", "gpupod")
    controller.invoke("start", "--host", "gpupod")
    assert time.monotonic() - began < 120
    assert sorted(path.name for path in wheels.rglob("*.whl")) == before
    assert controller.json("smoke", "--host", "gpupod")["failed"] == 0


def test_teardown_leaves_nothing(controller: Controller, pod: GpuPod) -> None:
    controller.invoke("teardown", "--host", "gpupod", "--yes")
    assert server(pod) == ""
    assert list((pod.folder / "volume").iterdir()) == []
