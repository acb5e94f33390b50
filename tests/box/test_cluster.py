"""One model over two boxes: Ray in force on both, and taken away again by a start that fails.

vLLM's CPU build refuses Ray when its server has connected to it, so the start fails there. The
boxes are copies of the worker's own. `make cluster` runs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from onecard.box import paths
from onecard.inventory.load import load
from tests.box.conftest import Box, Controller, copied_box, wait_until

pytestmark = [pytest.mark.box, pytest.mark.long]

NAMES = ("box1", "box2")


@pytest.fixture(scope="module")
def cluster(
    controller: Controller, deployed: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controller]:
    """Two boxes that serve alone, and a group of both whose lock has Ray in it."""
    folder = tmp_path_factory.mktemp("cluster")
    with copied_box(folder / "boxes", controller, NAMES) as copies:
        hosts = load(copies.inventory).hosts
        members = {name: {"cluster": {"address": hosts[name].connection.address}} for name in NAMES}
        values = {"cluster": {"head": "box1"}, "serve": {"pipeline_parallel": 2}}
        text = json.dumps({"big": {"hosts": members, "vars": values}})
        (copies.inventory / "big.yml").write_text(text)
        copies.json("upgrade", "--host", "box1")
        copies.json("provision", "--host", "big")
        yield copies


def ray_parts(box: Box) -> str:
    """Return what is on the box of Ray's unit, its folders and its processes."""
    return box(
        f"ls -d /etc/systemd/system/{paths.RAY_UNIT} {paths.RAY} {paths.RAY_SESSIONS} 2>/dev/null\n"
        "pgrep -a raylet || true"
    )


def release_in_force(cluster: Controller) -> dict[str, Any]:
    found = cluster.json("releases", "--host", "box1")["releases"]
    (current,) = [each for each in found if each["current"]]
    return dict(current)


def test_both_boxes_have_the_environment_of_one_lock(cluster: Controller) -> None:
    look = "readlink /opt/onecard/current; test -x /opt/onecard/current/bin/ray"
    assert Box(cluster, "box1")(look) == Box(cluster, "box2")(look)


def test_a_build_that_does_not_work_with_ray_is_refused(cluster: Controller) -> None:
    done = cluster.invoke("deploy", "--group", "big")
    assert done.returncode == 1
    assert "current platform cpu does not support ray" in done.stderr
    assert "(nothing was changed)" in done.stderr
    assert [ray_parts(Box(cluster, name)) for name in NAMES] == ["", ""]


def test_a_member_is_not_deployed_alone(cluster: Controller) -> None:
    done = cluster.invoke("deploy", "--host", "box2")
    assert done.returncode == 2
    assert "box2: belongs to the cluster of box1" in done.stderr


def test_a_start_that_fails_takes_ray_away_from_all_boxes(cluster: Controller) -> None:
    head, worker = (Box(cluster, name) for name in NAMES)
    before = release_in_force(cluster)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(cluster.invoke, "deploy", "--group", "big", "--force", "--json")
        wait_until(None, lambda: running.done() or "raylet" in ray_parts(worker))
        token = head(f"sed s/^RAY_AUTH_TOKEN=// {paths.RAY_TOKEN}").strip()
        assert worker(f"sed s/^RAY_AUTH_TOKEN=// {paths.RAY_TOKEN}").strip() == token
        for box in (head, worker):
            assert token not in box("ps axww -o args=")
        done = running.result()
    assert done.returncode == 1, done.stderr
    reported = json.loads(done.stdout)
    for name in NAMES:
        assert f"{name}: absent -> alive" in done.stderr
    assert [(each["host"], each["status"]) for each in reported["boxes"]] == [
        (name, "changed") for name in NAMES
    ]
    assert [(each["source"], each["target"]) for each in reported["network"]] == [
        NAMES,
        NAMES[::-1],
    ]
    assert reported["diagnosis"]["rule"] == "ray-on-cpu"
    assert reported["back_to"] == before["number"]
    assert token not in done.stdout + done.stderr

    assert cluster.json("status", "--host", "box1")["status"] == "serving"
    assert release_in_force(cluster) == before
    assert [ray_parts(box) for box in (head, worker)] == ["", ""]
    found = cluster.json("diagnose", "--group", "big", code=1)
    assert [(each["name"], each["ray"]) for each in found["members"]] == [
        (name, "not installed") for name in NAMES
    ]
    assert found["server"]["rule"] is None
