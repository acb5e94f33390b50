"""Deploys that are interrupted, on a real box with the real server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.box.conftest import INVOCATION, Box, Controller, serving

pytestmark = pytest.mark.box

# Ends the box's job, with all that it started, as soon as the old server is on its way out.
KILL_THE_JOB = (
    "rm -f /run/job-killed; nohup sh -c 'tries=3000; "
    "until [ $(systemctl show vllm -p ActiveState --value) = deactivating ] || [ $tries = 0 ]; do "
    "tries=$((tries - 1)); sleep 0.02; done; "
    "systemctl show vllm -p ActiveState --value >/run/job-killed; "
    'pkill -9 -s "$(pgrep -xf "sh /run/onecard/job")"\' >/dev/null 2>&1 &'
)
WHEN_THE_JOB_WAS_KILLED = (
    "tries=600; until [ -s /run/job-killed ] || [ $tries = 0 ]; do tries=$((tries - 1)); "
    "sleep 0.1; done; cat /run/job-killed"
)


@pytest.fixture(scope="module", autouse=True)
def afterwards(controller: Controller, deployed: Any) -> Iterator[None]:
    """What the inventory says is served again."""
    yield
    controller.json("deploy", "--host", "sandbox")


def cut_off(controller: Controller, words: list[str], when: str, how: signal.Signals) -> None:
    """Run a command until its progress shows `when`, then end it."""
    process = controller.begin(*words)
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if when in line:
            process.send_signal(how)
            break
    else:
        pytest.fail(f"never said {when!r}: {seen}")
    process.stderr.read()
    assert process.wait(60) != 0


def test_a_deploy_killed_between_two_servers_leaves_the_new_one(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    """The controller and the box's own job end as the old server goes: the new one comes up."""
    words = ["deploy", "--host", "sandbox", "--ctx", "20480"]
    newest = controller.json("releases", "--host", "sandbox")["releases"][-1]["number"]
    box(KILL_THE_JOB)
    process = controller.begin(*words)
    killed_while = box(WHEN_THE_JOB_WAS_KILLED)
    process.kill()
    process.communicate(timeout=60)
    assert (killed_while, process.returncode != 0) == ("deactivating\n", True)
    coming = box(
        "tries=600; until systemctl is-active -q vllm || [ $tries = 0 ]; do tries=$((tries - 1)); "
        f"sleep 0.1; done; {INVOCATION}"
    )
    reported = controller.json(*words)
    assert (reported["ctx"], reported["release"]) == (20480, newest + 1)
    assert serving(controller)["number"] == reported["release"]
    assert box(INVOCATION) == coming  # the next deploy has put it on trial, and restarted nothing


def test_a_bad_deploy_without_its_controller_is_taken_back_by_the_box(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    words = ["deploy", "--host", "sandbox", "--reasoning-parser", "nosuch"]
    cut_off(controller, words, "serve   changed", signal.SIGKILL)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        newest = controller.json("releases", "--host", "sandbox")["releases"][-1]
        if newest["state"] != "starting" and newest["number"] > good["number"]:
            break
        time.sleep(1)
    assert newest["state"] == "failed"
    # The next command waits for the way back to end, and finds nothing to do.
    again = controller.json("rollback", "--host", "sandbox", "--to", str(good["number"]))
    assert again["status"] == "ok"
    assert serving(controller)["number"] == good["number"]
