"""`invoke gateway` and `deploy --rolling` on two served boxes, under load.

box1 is the worker's own, and carries the gateway; box2 is a copy of it on a network of its own.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onecard.inventory.load import load
from tests.box.conftest import Box, Controller, copied_box, wait_until
from tests.support.steady_load import SteadyLoad

pytestmark = pytest.mark.box

CLIENTS = 4
# Debian's adduser leaves its lock, /run/adduser.
STATE = (
    "dpkg-query -W; ls -A /etc /etc/onecard /run /var/lib | grep -vx adduser; "
    "systemctl list-unit-files --no-pager | grep -e onecard -e haproxy || true"
)


@dataclass(frozen=True)
class Pool:
    """Both boxes in one inventory. address: of box1."""

    controller: Controller
    address: str

    def box(self, name: str) -> Box:
        return Box(self.controller, name)

    def load(self, document: dict[str, Any], **values: Any) -> SteadyLoad:
        key = Path(document["key_files"]["default"])
        return SteadyLoad(
            document["url"], document["model"], key, document["certificate"], **values
        )


@pytest.fixture(scope="module")
def pool(
    controller: Controller, good_before: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pool]:
    folder = tmp_path_factory.mktemp("pool")
    with copied_box(folder / "copy", controller, ["box2"]) as copy:
        inventory = folder / "inventory"
        shutil.copytree(controller.inventory, inventory)
        shutil.copy(copy.inventory / "sandbox.yml", inventory / "sandbox2.yml")
        with (inventory / "known_hosts").open("a") as file:
            file.write((copy.inventory / "known_hosts").read_text())
        address = load(controller.inventory).hosts["box1"].connection.address
        (inventory / "pool.yml").write_text(
            json.dumps(
                {
                    "pool": {
                        "hosts": {"box1": {}, "box2": {"serve": {"address": "0.0.0.0"}}},
                        "vars": {"gateway": {"host": "box1", "domain": address, "tls": "internal"}},
                    }
                }
            )
        )
        yield Pool(Controller(inventory), address)


@pytest.fixture(scope="module")
def good_before(controller: Controller, deployed: Any) -> None:
    """box1 serves what the inventory says."""
    controller.json("deploy", "--host", "sandbox")


@pytest.fixture(scope="module")
def before(pool: Pool) -> str:
    """What box1 was before it had a gateway."""
    return pool.box("box1")(STATE)


@pytest.fixture(scope="module")
def gateway(pool: Pool, before: str) -> Iterator[dict[str, Any]]:
    refused = pool.controller.invoke("gateway", "--host", "pool")
    assert refused.returncode == 1
    assert "box2: its server listens on 127.0.0.1, which box1 cannot reach" in refused.stderr
    first = pool.controller.json("deploy", "--host", "box2", "--rolling")
    assert (first["gateway"], first["hosts"][0]["drained_s"]) == ("box1", None)  # none yet
    planned = pool.controller.json("gateway", "--host", "pool", "--check")
    assert planned["pending"][0]["resource"] == "apt haproxy openssl socat"
    yield pool.controller.json("gateway", "--host", "pool")
    pool.controller.invoke("gateway", "--host", "pool", "--remove")


def test_both_boxes_answer_at_one_address(pool: Pool, gateway: dict[str, Any]) -> None:
    assert gateway["status"] == "changed"
    assert {box["name"]: box["state"] for box in gateway["boxes"]} == {"box1": "up", "box2": "up"}
    again = pool.controller.json("gateway", "--host", "box2")
    assert (again["status"], again["changed"]) == ("ok", 0)
    box = pool.box("box1")
    keys = box("cat /etc/onecard/api-key.env /etc/onecard/gateway/boxes/*.env").splitlines()
    own = Path(gateway["key_files"]["default"]).read_text().strip()
    assert own not in "\n".join(keys)
    shown = box("ps -eo args; journalctl -u onecard-gateway; cat /etc/onecard/gateway/haproxy.cfg")
    for secret in (own, *(line.partition("=")[2] for line in keys)):
        assert secret not in shown
    assert box("stat -c %a /etc/onecard/gateway/haproxy.cfg").strip() == "640"
    assert "haproxy_server_status" in box("curl -s http://127.0.0.1:8405/metrics")


def test_a_box_whose_deploy_is_refused_goes_back_in(pool: Pool, gateway: dict[str, Any]) -> None:
    refused = pool.controller.invoke("deploy", "--host", "box2", "--rolling", "--ctx", "300000")
    assert refused.returncode == 1
    assert "the largest that starts is --ctx 262144" in refused.stderr
    found = pool.controller.json("gateway", "--host", "pool")
    assert {box["name"]: box["state"] for box in found["boxes"]} == {"box1": "up", "box2": "up"}


def test_no_request_fails_while_a_box_is_deployed_and_the_gateway_reloaded(
    pool: Pool, gateway: dict[str, Any]
) -> None:
    with pool.load(gateway).running(CLIENTS) as load:
        rolled = pool.controller.json(
            "deploy", "--host", "box2", "--rolling", "--max-num-seqs", "6"
        )
        reloaded = pool.controller.json("gateway", "--host", "pool", "-e", "gateway.body_mib=7")
    (row,) = rolled["hosts"]
    assert row["status"] == "changed"
    assert rolled["gateway"] == "box1"
    assert row["out_s"] > row["ready_s"] > 0
    assert reloaded["changed"] == 2  # the configuration, and HAProxy took it over
    assert load.failures() == []
    assert len(load.sent) > 50


def test_a_killed_box_costs_its_requests_in_flight_alone(
    pool: Pool, gateway: dict[str, Any]
) -> None:
    with pool.load(gateway, padding=400_000).running(CLIENTS) as load:
        wait_until(None, lambda: len(load.sent) >= 2 * CLIENTS)
        pool.box("box2")("systemctl kill -s KILL vllm; systemctl stop vllm")
        dead = time.monotonic()
        # Each client has sent another one since.
        wait_until(None, lambda: sum(each.begun > dead for each in load.sent) >= 2 * CLIENTS)
    assert len(load.failures()) <= CLIENTS
    assert all(each.begun < dead for each in load.failures())
    assert [each.status for each in load.failures()] == [502] * len(load.failures())
    refused = pool.controller.invoke("deploy", "--host", "box1", "--rolling")
    assert refused.returncode == 1
    assert "no other box would answer meanwhile (box2 is down)" in refused.stderr


def test_prometheus_of_its_box_sees_which_box_is_down(pool: Pool, gateway: dict[str, Any]) -> None:
    provision = ("provision", "--host", "box1", "--set")
    pool.controller.json(*provision, "monitoring=true")

    def found(path: str) -> Any:
        return json.loads(pool.box("box1")(f"curl -gs 'http://127.0.0.1:19090/api/v1/{path}'"))

    def summaries() -> list[str]:
        return [each["annotations"]["summary"] for each in found("alerts")["data"]["alerts"]]

    def certificates() -> list[str]:
        ends = found("query?query=onecard_certificate_end_timestamp_seconds")["data"]["result"]
        return [each["metric"]["of"] for each in ends]

    try:
        wait_until(None, lambda: "The gateway gets no answer from box2" in summaries())
        (up,) = found('query?query=up{job="gateway"}')["data"]["result"]
        assert (up["metric"]["instance"], up["value"][1]) == ("127.0.0.1:8405", "1")
        wait_until(None, lambda: certificates() == ["gateway"])
    finally:
        pool.controller.json(*provision, "monitoring=false")


def test_it_is_removed_exactly(pool: Pool, before: str, gateway: dict[str, Any]) -> None:
    done = pool.controller.json("gateway", "--host", "pool", "--remove")
    assert done["status"] == "changed"
    assert pool.box("box1")(STATE) == before
    assert pool.controller.json("gateway", "--host", "pool", "--remove")["changed"] == 0
