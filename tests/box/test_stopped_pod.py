"""A pod's server: killed, crashing, and back after a stop that left its volume alone.

In order: each test goes on with the box as the one before left it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onecard.box import paths
from onecard.inventory.load import load
from onecard.sandbox import choose_driver
from onecard.ssh.login import connected
from tests.box.conftest import SANDBOX_CACHE, Controller, bare_box

pytestmark = pytest.mark.box

VOLUME = "/workspace/onecard"


@pytest.fixture(scope="module")
def pod(folder: Path) -> Iterator[Controller]:
    with bare_box(folder / "stopped", systemd=False) as opened:
        opened.json("provision", "--host", "box1", timeout=1500)
        opened.json("deploy", "--host", "box1", timeout=900)
        yield opened


def on_box(pod: Controller, script: str) -> str:
    host = load(pod.inventory).hosts["box1"]
    with connected(host, pod.inventory / "known_hosts") as box:
        return box.session.run(script).output


def shown(pod: Controller) -> dict[str, str]:
    lines = on_box(pod, f"services show {paths.UNIT}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def wait_for(pod: Controller, **wanted: str) -> dict[str, str]:
    until = time.monotonic() + 120
    while not wanted.items() <= (found := shown(pod)).items():
        assert time.monotonic() < until, found
        time.sleep(0.5)
    return found


def test_all_of_it_lies_on_the_volume(pod: Controller) -> None:
    places = (paths.HOME, paths.ETC, paths.STATE, paths.CACHE)
    found = on_box(pod, f"readlink {' '.join(places)}; stat -Lc %a:%U {paths.API_KEY}").split()
    assert found == [*(f"{VOLUME}/{name}" for name in ("opt", "etc", "state", "cache")), "600:root"]
    (host,) = pod.json("provision", "--host", "box1")["hosts"]
    assert (host["changed"], host["round_trips"] <= 2) == (0, True)


def test_doctor_knows_the_server_by_its_account(pod: Controller) -> None:
    """Neither ss nor a right to look into the server's process is there."""
    checks = {check["name"]: check for check in pod.json("doctor", "--host", "box1")["checks"]}
    assert (checks["port"]["status"], checks["server"]["status"]) == ("ok", "ok")
    assert checks["port"]["message"] == "8000 is the server's own"


def test_the_server_has_an_account_and_no_privileges(pod: Controller) -> None:
    status = on_box(pod, f"cat /proc/$(services show {paths.UNIT} | sed -n s/MainPID=//p)/status")
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert values["Uid"].split()[0] != "0"
    assert (values["CapEff"], values["NoNewPrivs"]) == ("0" * 16, "1")


def test_a_killed_server_is_started_again_without_what_it_left(pod: Controller) -> None:
    before = shown(pod)
    old = set(on_box(pod, f"services processes {paths.UNIT}").split())
    on_box(pod, f"kill -9 {before['MainPID']}")
    after = wait_for(pod, NRestarts="1", SubState="running")
    assert after["InvocationID"] != before["InvocationID"]
    assert not old & set(on_box(pod, f"services processes {paths.UNIT}").split())
    assert "status=9/KILL" in pod.invoke("logs", "--host", "box1", "--lines", "200").stdout
    assert pod.invoke("start", "--host", "box1").returncode == 0


def test_a_server_whose_engine_died_is_started_again(pod: Controller) -> None:
    """vLLM then ends with exit code 0."""
    before = shown(pod)
    on_box(pod, "pkill -9 -f VLLM::[E]ngineCore")
    wait_for(pod, NRestarts=f"{int(before['NRestarts']) + 1}", SubState="running")
    assert pod.invoke("start", "--host", "box1").returncode == 0


def test_a_crash_loop_ends(pod: Controller) -> None:
    """With a program in vLLM's place that fails at once, and the unit's own limit."""
    on_box(
        pod,
        f"""
        services stop {paths.UNIT}; services reset {paths.UNIT}
        unit=$(services file {paths.UNIT}); cp "$unit" /tmp/unit
        sed -i 's|^ExecStart=.*|ExecStart=/bin/false|; s|^RestartSec=.*|RestartSec=0|' "$unit"
        services start {paths.UNIT}""",
    )
    assert wait_for(pod, ActiveState="failed")["NRestarts"] == "4"
    assert "Start request repeated too quickly" in pod.invoke("logs", "--host", "box1").stdout
    on_box(pod, f'cp /tmp/unit "$(services file {paths.UNIT})"')
    assert pod.invoke("start", "--host", "box1").returncode == 0


def test_a_failed_deploy_is_rolled_back_on_the_pod(pod: Controller) -> None:
    done = pod.invoke("deploy", "--host", "box1", "--extra-args=--no-such-flag")
    assert done.returncode == 1
    assert "unrecognized arguments: --no-such-flag" in done.stderr
    assert "serves again" in done.stderr
    assert pod.json("status", "--host", "box1")["status"] == "serving"


def test_after_a_stop_the_same_release_serves_again(pod: Controller) -> None:
    driver = choose_driver(pod.inventory.parent, pod.inventory, print, cache=SANDBOX_CACHE)
    before = pod.json("releases", "--host", "box1")
    driver.restart("box1")
    assert pod.invoke("status", "--host", "box1").returncode == 3  # another host key
    assert pod.invoke("trust", "--host", "box1", "--replace").returncode == 0
    assert "the pod was stopped" in pod.invoke("status", "--host", "box1").stdout
    began = time.monotonic()
    report = pod.json("provision", "--host", "box1")
    roles = {role["name"]: role["changed"] for role in report["hosts"][0]["roles"]}
    assert (roles["python"], roles["vllm"], roles["model"]) == (0, 0, 0)
    assert pod.invoke("start", "--host", "box1").returncode == 0
    assert time.monotonic() - began < 300  # 40 s where no other test runs; nothing is downloaded
    assert pod.json("releases", "--host", "box1") == before
    assert pod.json("smoke", "--host", "box1")["failed"] == 0


def test_the_boot_script_alone_brings_it_back(pod: Controller) -> None:
    driver = choose_driver(pod.inventory.parent, pod.inventory, print, cache=SANDBOX_CACHE)
    driver.restart("box1")
    assert pod.invoke("trust", "--host", "box1", "--replace").returncode == 0
    # As an image that has what the server needs: boot.sh installs no packages.
    on_box(pod, "apt-get -q update && apt-get -q -y install libnuma1 build-essential python3-dev")
    on_box(pod, f"sh {VOLUME}/boot.sh")
    assert pod.invoke("start", "--host", "box1").returncode == 0
    assert pod.invoke("provision", "--host", "box1").returncode == 0


def test_teardown_proves_that_the_volume_is_clean(pod: Controller) -> None:
    done = pod.invoke("teardown", "--host", "box1", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok    {VOLUME}\n" in done.stdout
    places = f"/workspace/* {paths.HOME} {paths.ETC} {paths.STATE} {paths.CACHE}"
    assert on_box(pod, f"ls -d {places} 2>/dev/null").strip() == ""
    assert not re.search("supervisord|vllm", on_box(pod, "ps -e -o comm="), re.IGNORECASE)
