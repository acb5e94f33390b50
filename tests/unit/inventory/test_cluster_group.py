"""The boxes that serve one model together: who they are, and what is refused before any login."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.inventory import lock_files
from onecard.inventory.host import Host
from onecard.inventory.lock import build_request
from onecard.inventory.serving_groups.cluster_group import (
    cluster_group,
    refuse_member,
    require_stages,
)
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings


def host(number: int, head: str = "box1", **settings: object) -> Host:
    cluster = {"head": head, "address": f"10.0.0.{number}"} if head else {}
    values = {"cluster": cluster, "serve": {"pipeline_parallel": 2}, **settings}
    return Host(f"box{number}", Connection(""), Settings.model_validate(values))


def test_the_head_comes_first() -> None:
    group = cluster_group("pool", (host(2), host(1), host(3)))
    assert [each.name for each in group.members] == ["box1", "box2", "box3"]
    assert group.addresses == {"10.0.0.1": "box1", "10.0.0.2": "box2", "10.0.0.3": "box3"}
    require_stages(cluster_group("pool", (host(1), host(2))))


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ((host(1, ""), host(2, "")), "pool: no cluster; set cluster.head"),
        ((host(1), host(2, "box2")), "box1 and box2 have different settings of cluster"),
        ((host(1, "box9"), host(2, "box9")), "box9 is not in the group pool (box1, box2)"),
        ((host(1),), "a cluster needs two boxes or more"),
        ((host(1), host(2, cluster={"head": "box1"})), "box2: cluster.address is not set"),
        (
            (host(1), host(2, cluster={"head": "box1", "address": "10.0.0.1"})),
            "two boxes have one cluster.address",
        ),
        ((host(1), host(2, model={"source": "a/b"})), "different settings of model"),
        ((host(1), host(2, python={"packages": ["x"]})), "different settings of python"),
    ],
)
def test_what_is_refused(hosts: tuple[Host, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        cluster_group("pool", hosts)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_each_box_runs_one_stage() -> None:
    group = cluster_group("pool", (host(1), host(2), host(3)))
    with pytest.raises(UsageError, match=r"--pp 2: the group pool has 3 boxes.*give --pp 3"):
        require_stages(group)


def test_a_member_is_not_deployed_alone() -> None:
    refuse_member(host(1, ""))
    with pytest.raises(UsageError, match="belongs to the cluster of box1"):
        refuse_member(host(2))


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "fe80::1%eth0", "box1"])
def test_an_address_is_the_boxs_own(address: str) -> None:
    with pytest.raises(ValueError, match=r"is not an IP address|is not one address"):
        Settings.model_validate({"cluster": {"address": address}})


def test_all_boxes_have_the_heads_lock_and_ray_is_in_it(tmp_path: Path) -> None:
    assert lock_files.owner(host(2)) == lock_files.owner(host(1)) == "box1"
    assert lock_files.owner(host(2, "")) == "box2"
    assert build_request(host(2).settings).packages == ("ray>=2.52",)
    assert build_request(host(2, "").settings).packages == ()
