"""A server whose unit is active and that does not answer, on a real box with the real server."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from typing import Any

import pytest

from onecard.box import unit_words
from tests.box.conftest import Box, Controller

pytestmark = pytest.mark.box

MAIN = "$(systemctl show vllm -p MainPID --value)"


@pytest.fixture(scope="module")
def serving(controller: Controller, box: Box, deployed: Any) -> Iterator[None]:
    """A server that answers, before and after all of these tests."""
    if controller.invoke("status", "--host", "sandbox").returncode != 0:
        controller.json("deploy", "--host", "sandbox")
    box("systemctl reset-failed vllm")  # restarts that tests of other files provoked
    yield
    if controller.invoke("status", "--host", "sandbox").returncode != 0:
        assert controller.invoke("restart", "--host", "sandbox").returncode == 0


def doctor_on_the_server(controller: Controller) -> dict[str, Any]:
    checks = controller.json("doctor", "--host", "sandbox")["checks"]
    return next(check for check in checks if check["name"] == "server")


def test_a_server_that_answers(controller: Controller, serving: None) -> None:
    check = doctor_on_the_server(controller)
    assert (check["status"], check["fix"]) == ("ok", "")
    assert "answers /health" in check["message"]
    # Whatever became of the servers before it, of which the journal is full.
    assert controller.json("diagnose", "--host", "sandbox")["rule"] is None


def test_a_halted_server(controller: Controller, box: Box, serving: None) -> None:
    port = controller.json("status", "--host", "sandbox")["port"]
    where = f"the server hangs: it gives no answer within 10 s at http://127.0.0.1:{port}/health"
    box(f"kill -STOP {MAIN}")
    try:
        check = doctor_on_the_server(controller)
        assert check["status"] == "warning"
        assert where in check["message"]
        assert "invoke restart --host box1" in check["fix"]
        began = time.monotonic()
        commands = [
            controller.begin(each, "--host", "sandbox") for each in ("smoke", "bench", "stress")
        ]
        for command in commands:
            _, reported = command.communicate(timeout=60)
            assert (command.returncode, where in reported) == (1, True), reported
            assert "invoke restart --host box1" in reported
        assert time.monotonic() - began < 30
        found = controller.json("diagnose", "--host", "sandbox", code=1)
        assert where in found["cause"]
        assert "invoke restart --host box1" in found["fix"]
        assert found["rule"] is None
        shown = controller.invoke("status", "--host", "sandbox")
        assert shown.returncode == 1
        assert where in shown.stdout
    finally:
        box(f"kill -CONT {MAIN}")
    assert controller.json("status", "--host", "sandbox")["status"] == "serving"


def test_a_server_that_is_down(controller: Controller, box: Box, serving: None) -> None:
    """It stays down for the next test."""
    port = controller.json("status", "--host", "sandbox")["port"]
    box("systemctl stop vllm")
    reported = controller.json("status", "--host", "sandbox", code=1)
    down = f"the server is down: its unit is inactive, nothing answers at http://127.0.0.1:{port}"
    assert reported["trouble"].startswith(down)
    shown = controller.invoke("status", "--host", "sandbox").stdout
    for line in shown.splitlines():
        title, text = line[:10], line[10:]
        assert (title.rstrip(), text) == (title.strip(), text.lstrip()), line
    assert down in controller.invoke("smoke", "--host", "sandbox").stderr
    assert down in controller.json("diagnose", "--host", "sandbox", code=1)["cause"]


def test_a_crash_loop(controller: Controller, box: Box, serving: None) -> None:
    model = unit_words.command(box("cat /etc/systemd/system/vllm.service"))[2]
    config = shlex.quote(f"{model}/config.json")
    box(f"mv {config} {config}.away; systemctl restart vllm")
    try:
        loops = (
            "tries=600; until [ $(systemctl show vllm -p NRestarts --value) -ge 1 ] || "
            "[ $tries = 0 ]; do tries=$((tries - 1)); sleep 0.2; done; "
            "systemctl show vllm -p NRestarts --value"
        )
        assert int(box(loops)) >= 1
        check = doctor_on_the_server(controller)
        assert check["status"] == "warning"
        assert (
            "the server crashes in a loop: the service manager has started it again"
            in check["message"]
        )
        done = controller.invoke("smoke", "--host", "sandbox")
        assert done.returncode == 1
        assert "crashes in a loop" in done.stderr
        assert "invoke diagnose --host box1" in done.stderr
        assert controller.json("diagnose", "--host", "sandbox", code=1)["cause"]
    finally:
        box(f"mv {config}.away {config}; systemctl stop vllm; systemctl reset-failed vllm || true")
    assert controller.invoke("start", "--host", "sandbox").returncode == 0


def test_nothing_of_ours_is_writable_by_everybody(box: Box, deployed: Any) -> None:
    places = "/opt/onecard /etc/onecard /var/lib/onecard /var/cache/onecard /run/onecard"
    assert box(f"find {places} ! -type l -perm -0002 2>/dev/null || true") == ""
