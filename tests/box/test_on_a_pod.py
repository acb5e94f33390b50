"""The main job, releases, secrets, a stop and teardown on a pod, provisioned and deployed once.

Many are the tests of a box with systemd again: what is imported here is collected here too, with the
fixtures below instead of conftest's. A case belongs here where the service manager, the paths or the
rights of a container make a difference. A stop of the pod comes near the end, teardown last.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onecard.box import paths
from onecard.inventory.load import load
from onecard.sandbox import choose_driver
from onecard.ssh.login import connected
from tests.box import (
    test_expose,
    test_failed_deploys,
    test_faults,
    test_interrupted_deploys,
    test_locks,
    test_main_job,
    test_refused_and_cut_off,
    test_releases,
    test_teardown,
)
from tests.box.conftest import SANDBOX_CACHE, SERVER, Box, Controller, bare_box, in_force
from tests.faults import matrix
from tests.faults.work import DEPLOY

pytestmark = pytest.mark.box

VOLUME = "/workspace/onecard"
# What a start has compiled, and when.
CACHES = f"find {paths.CACHE}/ -path '*/vllm/engine/*' -name '*.pyc' -printf '%p %T@\\n'"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with bare_box(tmp_path_factory.mktemp("pod"), systemd=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def provisioned(controller: Controller) -> Any:
    return controller.json("provision", "--host", "sandbox", timeout=1500)


@pytest.fixture(scope="module")
def deployed(controller: Controller, provisioned: Any) -> Any:
    return controller.json("deploy", "--host", "sandbox")


@pytest.fixture(scope="module")
def box(controller: Controller) -> Box:
    return Box(controller)


@pytest.fixture(scope="module")
def rental(controller: Controller, deployed: Any) -> Controller:
    """What is torn down is this pod itself, at the end."""
    return controller


key = test_teardown.key


def test_the_facts_say_what_it_is(controller: Controller) -> None:
    assert controller.json("facts", "--host", "box1")["systemd"] is False


test_first_deploy_is_ready = test_main_job.test_first_deploy_is_ready
test_a_second_provision = test_main_job.test_second_provision_changes_nothing_in_one_round_trip
test_deploying_what_runs_restarts_nothing = test_main_job.test_deploying_what_runs_restarts_nothing
test_smoke_passes_on_the_right_model = test_main_job.test_smoke_passes_on_the_right_model


def on_box(controller: Controller, script: str) -> str:
    """Run a script as the tool does, with its function `services`; whatever its exit code."""
    host = load(controller.inventory).hosts["box1"]
    with connected(host, controller.inventory / "known_hosts") as opened:
        return opened.session.run(script).output


def shown(controller: Controller) -> dict[str, str]:
    lines = on_box(controller, f"services show {paths.UNIT}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def wait_for(controller: Controller, **wanted: str) -> dict[str, str]:
    until = time.monotonic() + 120
    while not wanted.items() <= (found := shown(controller)).items():
        assert time.monotonic() < until, found
        time.sleep(0.5)
    return found


def test_all_of_it_lies_on_the_volume(controller: Controller) -> None:
    places = (paths.HOME, paths.ETC, paths.STATE, paths.CACHE)
    found = on_box(
        controller, f"readlink {' '.join(places)}; stat -Lc %a:%U {paths.API_KEY}"
    ).split()
    assert found == [*(f"{VOLUME}/{name}" for name in ("opt", "etc", "state", "cache")), "600:root"]
    (host,) = controller.json("provision", "--host", "box1")["hosts"]
    assert (host["changed"], host["round_trips"] <= 2) == (0, True)


def test_doctor_knows_the_server_by_its_account(controller: Controller) -> None:
    """Neither ss nor a right to look into the server's process is there."""
    checks = {
        check["name"]: check for check in controller.json("doctor", "--host", "box1")["checks"]
    }
    assert (checks["port"]["status"], checks["server"]["status"]) == ("ok", "ok")
    assert checks["port"]["message"] == "8000 is the server's own"


def test_the_server_has_an_account_and_no_privileges(controller: Controller) -> None:
    status = on_box(
        controller, f"cat /proc/$(services show {paths.UNIT} | sed -n s/MainPID=//p)/status"
    )
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert values["Uid"].split()[0] != "0"
    assert (values["CapEff"], values["NoNewPrivs"]) == ("0" * 16, "1")


def test_a_killed_server_is_started_again_without_what_it_left(controller: Controller) -> None:
    before = shown(controller)
    old = set(on_box(controller, f"services processes {paths.UNIT}").split())
    on_box(controller, f"kill -9 {before['MainPID']}")
    after = wait_for(controller, NRestarts="1", SubState="running")
    assert after["InvocationID"] != before["InvocationID"]
    assert not old & set(on_box(controller, f"services processes {paths.UNIT}").split())
    assert "status=9/KILL" in controller.invoke("logs", "--host", "box1", "--lines", "200").stdout
    assert controller.invoke("start", "--host", "box1").returncode == 0


def test_a_server_whose_engine_died_is_started_again(controller: Controller) -> None:
    """vLLM then ends with exit code 0."""
    before = shown(controller)
    on_box(controller, "pkill -9 -f VLLM::[E]ngineCore")
    wait_for(controller, NRestarts=f"{int(before['NRestarts']) + 1}", SubState="running")


def test_a_crash_loop_ends(controller: Controller) -> None:
    """With a program in vLLM's place that fails at once, and the unit's own limit."""
    on_box(
        controller,
        f"""
        services stop {paths.UNIT}; services reset {paths.UNIT}
        unit=$(services file {paths.UNIT}); cp "$unit" /tmp/unit
        sed -i 's|^ExecStart=.*|ExecStart=/bin/false|; s|^RestartSec=.*|RestartSec=0|' "$unit"
        services start {paths.UNIT}""",
    )
    assert wait_for(controller, ActiveState="failed")["NRestarts"] == "4"
    assert (
        "Start request repeated too quickly" in controller.invoke("logs", "--host", "box1").stdout
    )
    on_box(controller, f'cp /tmp/unit "$(services file {paths.UNIT})"')
    assert controller.invoke("start", "--host", "box1").returncode == 0


@pytest.fixture(scope="module")
def public(controller: Controller, deployed: Any) -> test_expose.Public:
    domain = test_expose.address(controller)
    words = ("--host", "box1", "--domain", domain, "--tls", "internal")
    done = controller.json("expose", *words)
    assert controller.json("expose", *words)["changed"] == 0
    return test_expose.Public(done)


def test_the_guarded_api_alone_is_public(public: test_expose.Public) -> None:
    assert public("/v1/models")[0] == 200
    assert public("/v1/models", key=False)[0] == 401
    assert public("/metrics")[0] == 404


test_stop_start_and_logs = test_main_job.test_stop_start_and_logs


def test_the_public_address_comes_and_goes_with_the_server(
    controller: Controller, box: Box, public: test_expose.Public
) -> None:
    """It was stopped and started by the test before; restarted by the manager, and taken back."""
    public.until("/v1/models", 200)
    assert controller.json("unexpose", "--host", "box1")["status"] == "changed"
    assert not test_expose.reachable(test_expose.address(controller), 443)
    assert box("ls -d /etc/onecard/expose /usr/sbin/nginx 2>/dev/null || true") == ""


test_broken_connection = test_refused_and_cut_off.test_broken_connection_leaves_the_job_running


@pytest.mark.parametrize("failure", ["bad parser", "crash at the first request"])
def test_a_failed_deploy_is_explained_and_taken_back(
    controller: Controller, good: dict[str, Any], tmp_path: Path, failure: str
) -> None:
    """Two of the failures: before the model is loaded, and at the startup check."""
    test_failed_deploys.test_a_failed_deploy_is_explained_and_taken_back(
        controller, good, tmp_path, failure
    )


def test_a_deploy_whose_controller_is_killed(
    controller: Controller, box: Box, deployed: Any
) -> None:
    test_faults.test_a_fault(controller, box, deployed, matrix.CONTROLLER_ENDS[0], DEPLOY)


test_the_box_takes_back_a_bad_deploy_by_itself = (
    test_interrupted_deploys.test_a_bad_deploy_without_its_controller_is_taken_back_by_the_box
)
test_a_new_key_is_in_force = test_releases.test_a_new_key_is_in_force_and_the_old_one_refused


def test_upgrade_moves_the_lock_beside_a_running_server(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    """From the lock of a computer that resolved it some weeks ago."""
    kept, server, caches = test_locks.read_lock(controller), box(SERVER), box(CACHES)
    test_locks.write_lock(controller, test_locks.older(kept))
    checked = controller.json("upgrade", "--host", "box1", "--check")
    assert [each["name"] for each in checked["moved"]] == list(test_locks.OLDER)
    shown = controller.invoke("upgrade", "--host", "box1")
    assert shown.returncode == 0, shown.stderr
    assert test_locks.read_lock(controller) == kept
    assert box(SERVER) == server
    assert caches and set(caches.splitlines()) <= set(box(CACHES).splitlines())
    assert controller.json("upgrade", "--host", "box1")["status"] == "ok"


def test_it_is_measured_and_the_report_shows_it(
    controller: Controller, good: dict[str, Any]
) -> None:
    """scale, stress and bench, as short as they can be."""
    controller.invoke("scale", "--host", "box1", "--ctx", "8192")
    (row,) = controller.last_run("scale").all("row")
    assert (row["configured"], row["smoke_ok"], row["long_request"]["answered"]) == (
        "yes",
        True,
        True,
    )
    assert row["process_peak_gib"] > 0.3
    assert in_force(controller)["number"] == good["number"]
    words = "--lengths 64 --prefixes prose --asked 4"
    stressed = controller.json("stress", "--host", "box1", *words.split())
    assert stressed["picture_tokens"] > 0
    words = "--concurrency 2 --rates 5 --images 1 --requests 4 --input-tokens 16 --output-tokens 4"
    repeats = ("--repeats", "2", "--most-repeats", "2")
    done = controller.invoke("bench", "--host", "box1", *words.split(), *repeats)
    loads = controller.last_run("bench").all("load")
    assert loads, done.stderr
    assert {(load["failed"], load["generator"]) for load in loads} == {
        *((0, "vllm bench serve"), (0, "onecard"))
    }
    page = controller.invoke("report", "--host", "box1", "--format", "json", "--out", "-")
    assert page.returncode == 0, page.stderr
    shown = json.dumps(json.loads(page.stdout)["sections"], ensure_ascii=False)
    for figure in ("8,192", "vllm bench serve", "12 of 12", "docker"):
        assert figure in shown


def test_after_a_stop_the_same_release_serves_again(controller: Controller) -> None:
    driver = choose_driver(
        controller.inventory.parent, controller.inventory, print, cache=SANDBOX_CACHE
    )
    before, caches = controller.json("releases", "--host", "box1"), on_box(controller, CACHES)
    assert caches
    driver.restart("box1")
    assert controller.invoke("status", "--host", "box1").returncode == 3  # another host key
    assert controller.invoke("trust", "--host", "box1", "--replace").returncode == 0
    assert "the pod was stopped" in controller.invoke("status", "--host", "box1").stdout
    began = time.monotonic()
    report = controller.json("provision", "--host", "box1")
    roles = {role["name"]: role["changed"] for role in report["hosts"][0]["roles"]}
    assert (roles["python"], roles["vllm"], roles["model"]) == (0, 0, 0)
    assert controller.invoke("start", "--host", "box1").returncode == 0
    assert time.monotonic() - began < 300  # 40 s where no other test runs; nothing is downloaded
    assert controller.json("releases", "--host", "box1") == before
    assert set(caches.splitlines()) <= set(on_box(controller, CACHES).splitlines())
    assert controller.json("smoke", "--host", "box1")["failed"] == 0


def test_the_boot_script_alone_brings_it_back(controller: Controller) -> None:
    driver = choose_driver(
        controller.inventory.parent, controller.inventory, print, cache=SANDBOX_CACHE
    )
    driver.restart("box1")
    assert controller.invoke("trust", "--host", "box1", "--replace").returncode == 0
    # As an image that has what the server needs: boot.sh installs no packages.
    on_box(
        controller,
        "apt-get -q update && apt-get -q -y install libnuma1 build-essential python3-dev",
    )
    on_box(controller, f"sh {VOLUME}/boot.sh")
    assert controller.invoke("start", "--host", "box1").returncode == 0
    assert controller.invoke("provision", "--host", "box1").returncode == 0


test_teardown_check_changes_nothing = (
    test_teardown.test_check_reports_what_would_go_and_changes_nothing
)
test_teardown_wants_the_hosts_name = test_teardown.test_it_is_not_done_without_the_hosts_name
test_teardown_proves_it = test_teardown.test_it_removes_everything_and_proves_it
test_a_second_teardown_finds_nothing = test_teardown.test_a_second_teardown_finds_nothing


def test_teardown_proves_that_the_volume_is_clean(controller: Controller) -> None:
    done = controller.invoke("teardown", "--host", "box1", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok    {VOLUME}\n" in done.stdout
    places = f"/workspace/* {paths.HOME} {paths.ETC} {paths.STATE} {paths.CACHE}"
    assert on_box(controller, f"ls -d {places} 2>/dev/null").strip() == ""
    assert not re.search("supervisord|vllm", on_box(controller, "ps -e -o comm="), re.IGNORECASE)
