"""The main job, releases, secrets and teardown on a pod: the tests of a box with systemd, again.

What is imported here is collected here too, with the fixtures below instead of conftest's: one pod,
provisioned and deployed once. A case belongs here where the service manager, the paths or the
rights of a container make a difference; teardown comes last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
from tests.box.conftest import SERVER, Box, Controller, bare_box, in_force
from tests.faults import matrix
from tests.faults.work import DEPLOY

pytestmark = pytest.mark.box


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


@pytest.mark.parametrize("failure", ["bad flag", "crash at the first request"])
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
    kept, server = test_locks.read_lock(controller), box(SERVER)
    test_locks.write_lock(controller, test_locks.older(kept))
    checked = controller.json("upgrade", "--host", "box1", "--check")
    assert [each["name"] for each in checked["moved"]] == list(test_locks.OLDER)
    shown = controller.invoke("upgrade", "--host", "box1")
    assert shown.returncode == 0, shown.stderr
    assert test_locks.read_lock(controller) == kept
    assert box(SERVER) == server
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


test_teardown_check_changes_nothing = (
    test_teardown.test_check_reports_what_would_go_and_changes_nothing
)
test_teardown_wants_the_hosts_name = test_teardown.test_it_is_not_done_without_the_hosts_name
test_teardown_proves_it = test_teardown.test_it_removes_everything_and_proves_it
test_a_second_teardown_finds_nothing = test_teardown.test_a_second_teardown_finds_nothing
