"""Releases: ports, restarts, rollback and keys, on a real box with the real server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onecard.box import paths
from tests.box.conftest import INVOCATION, Box, Controller, serving

pytestmark = pytest.mark.box

# Takes the server's port as soon as the server lets it go.
TAKE_THE_PORT = """
cat >/run/take-the-port.py <<'end'
import socket, time
taken = socket.socket()
taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
until = time.monotonic() + 120
while time.monotonic() < until:
    try:
        taken.bind(("127.0.0.1", 8000))
        taken.listen()
        break
    except OSError:
        time.sleep(0.002)
time.sleep(600)
end
nohup python3 /run/take-the-port.py >/dev/null 2>&1 & echo $!
"""
USE_THE_SERVER = """
python3 - <<'end'
from http.client import HTTPConnection
server = HTTPConnection("127.0.0.1", 8000)
for _ in range(12_000):
    server.request("GET", "/health")
    assert server.getresponse().read() == b""
end
journalctl --sync
"""


def test_a_taken_port(controller: Controller, box: Box, good: dict[str, Any]) -> None:
    """It is detected before the server that runs is stopped."""
    before = box(INVOCATION)
    server = "python3 -m http.server 8123 --bind 127.0.0.1"
    pid = box(f"nohup {server} >/dev/null 2>&1 & echo $!").strip()
    try:
        reported = controller.json("deploy", "--host", "sandbox", "--port", "8123", code=1)
    finally:
        box(f"kill {pid}")
    assert reported["diagnosis"]["rule"] == "port-taken"
    assert f"already in use by python3 (pid {pid})" in reported["reason"]
    assert reported["back_to"] == good["number"]
    assert serving(controller)["number"] == good["number"]
    assert box(INVOCATION) == before


def test_a_port_that_is_taken_between_two_servers(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    """No release can have it: the one before is restored, and the program that holds its port is named."""
    pid = box(TAKE_THE_PORT).strip()
    try:
        done = controller.invoke("deploy", "--host", "sandbox", "--ctx", "2048", "--json")
    finally:
        box(f"kill {pid}")
    assert (done.returncode, json.loads(done.stdout)["diagnosis"]["rule"]) == (1, "port-taken")
    assert (
        f"now: release {good['number']} does not serve again either: "
        f"port 8000: address already in use by python3 (pid {pid}); stopped; then: invoke start"
    ) in done.stderr
    started = controller.invoke("start", "--host", "sandbox")
    assert started.returncode == 0, started.stderr
    assert serving(controller)["number"] == good["number"]


def test_a_server_that_has_been_used_is_left_running(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    """Each request is a line in its journal."""
    box(USE_THE_SERVER)
    before = box(INVOCATION)
    assert controller.json("deploy", "--host", "sandbox")["status"] == "ok"
    started = controller.invoke("start", "--host", "sandbox")
    assert started.returncode == 0, started.stderr
    assert "already serving" in started.stdout
    to = ("--to", str(good["number"]))
    assert controller.json("rollback", "--host", "sandbox", *to)["status"] == "ok"
    assert box(INVOCATION) == before
    restarted = controller.invoke("restart", "--host", "sandbox")
    assert restarted.returncode == 0, restarted.stderr
    assert box(INVOCATION) != before


def test_a_broken_release_can_stay_for_inspection(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    flags = ("--reasoning-parser", "nosuch", "--no-rollback")
    reported = controller.json("deploy", "--host", "sandbox", *flags, code=1)
    assert reported["back_to"] is None
    assert "nosuch" in box("cat /etc/systemd/system/vllm.service")
    reported = controller.json("status", "--host", "sandbox", code=1)["diagnosis"]
    assert (reported["rule"], "nosuch" in reported["line"]) == ("unknown-parser", True)
    # Also once it is stopped, at whatever attempt of systemd's that was.
    assert controller.invoke("stop", "--host", "sandbox").returncode == 0
    reported = controller.json("diagnose", "--host", "sandbox", code=1)
    assert (reported["rule"], "nosuch" in reported["line"]) == ("unknown-parser", True)
    back = controller.json("rollback", "--host", "sandbox")
    assert back["release"] == good["number"]
    assert serving(controller)["number"] == good["number"]


def test_long_contexts_are_served_and_can_be_taken_back(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    odd = 'a "b" $c \\d'
    for ctx in (4096, 65536, 262144):
        flags = ["--environment", json.dumps({"ONE_CARD": odd})] if ctx > 65536 else []
        reported = controller.json("deploy", "--host", "sandbox", "--ctx", str(ctx), *flags)
        assert (reported["status"] != "failed", reported["ctx"]) == (True, ctx)
        # The plan is exact where the KV memory is given.
        assert reported["memory"]["concurrency"] == reported["planned"]["concurrency"]
        assert controller.json("status", "--host", "sandbox")["ctx"] == ctx
    pid = "$(systemctl show vllm -p MainPID --value)"
    assert f"ONE_CARD={odd}\n" in box(f"tr '\\0' '\\n' </proc/{pid}/environ")
    assert controller.json("smoke", "--host", "sandbox", "--repeats", "1")["failed"] == 0
    back = controller.json("rollback", "--host", "sandbox", "--to", str(good["number"]))
    assert (back["status"], back["release"]) == ("changed", good["number"])
    assert serving(controller)["ctx"] == good["ctx"]
    again = controller.json("rollback", "--host", "sandbox", "--to", str(good["number"]))
    assert again["status"] == "ok"
    unknown = controller.invoke("rollback", "--host", "sandbox", "--to", "99")
    assert unknown.returncode == 1
    assert "there is no release 99" in unknown.stderr


def test_a_new_key_is_in_force_and_the_old_one_refused(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    read = f"sed s/VLLM_API_KEY=// {paths.API_KEY}"
    old = box(read).strip()
    rotated = controller.invoke("secret", "rotate", "--host", "sandbox")
    assert rotated.returncode == 0, rotated.stderr
    new = box(read).strip()
    ask = (
        "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8000/v1/models "
        "-H 'Authorization: Bearer KEY'"
    )
    assert old != new
    assert (box(ask.replace("KEY", old)), box(ask.replace("KEY", new))) == ("401", "200")
    for key in (old, new):
        assert key not in rotated.stdout + rotated.stderr
    given = "given-by-the-user-0123456789"
    deployed = controller.invoke("deploy", "--host", "sandbox", ONECARD_API_KEY=given)
    assert deployed.returncode == 0, deployed.stderr
    assert box(ask.replace("KEY", given)) == "200"
    assert given not in deployed.stdout + deployed.stderr
    assert given not in box("ls /run/onecard; cat /run/onecard/* /opt/onecard/releases/*/*")
