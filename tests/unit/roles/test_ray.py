"""Ray's unit and what confines it; its work is proved on boxes (docs/many-hosts.md)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from onecard.box import paths
from onecard.credentials.secret import Secret
from onecard.errors import PreflightError
from onecard.facts import Container, Facts, Network
from onecard.fit.on_host import settle
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.cluster_group import ClusterGroup, cluster_group
from onecard.resources.base import Resource
from onecard.resources.files.file import File
from onecard.resources.skipped import Skipped
from onecard.resources.system import ray_nodes
from onecard.resources.system.address_filter import AddressFilter
from onecard.resources.system.ray_nodes import RayNodes
from onecard.resources.system.service import Service
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.probe_batch import Answer
from roles import ray, serve
from tests.support.facts_support import CARD, box
from tests.support.on_shell import shell

VENV = "/opt/onecard/venvs/abc"
KEY = "t" * 43


def host(number: int, **serve_settings: object) -> Host:
    values = {
        "cluster": {"head": "box1", "address": f"10.0.0.{number}"},
        "serve": {"pipeline_parallel": 2, "tensor_parallel": 1, **serve_settings},
    }
    return Host(f"box{number}", Connection(""), Settings.model_validate(values))


def group(**serve_settings: object) -> ClusterGroup:
    return cluster_group("pool", (host(1, **serve_settings), host(2, **serve_settings)))


def facts(number: int) -> Facts:
    return box(network=Network(addresses={"127.0.0.1": "lo", f"10.0.0.{number}": "eth1"}))


def wanted(number: int, **serve_settings: object) -> tuple[Resource, ...]:
    made = group(**serve_settings)
    token = Secret(KEY) if number == 2 else None
    return ray.desired(made, made.members[number - 1], facts(number), VENV, token).resources


def content(resources: tuple[Resource, ...], ending: str) -> str:
    (found,) = [each for each in resources if isinstance(each, File) and each.path.endswith(ending)]
    return found.content


def test_the_units_differ_in_their_part_alone() -> None:
    head, worker = (content(wanted(number), "onecard-ray.service") for number in (1, 2))
    assert f"ExecStart={VENV}/bin/ray start --block --head --port 6379" in head
    assert "--node-ip-address 10.0.0.1" in head
    assert f"{VENV}/bin/ray start --block --address 10.0.0.1:6379" in worker
    assert "--node-ip-address 10.0.0.2" in worker
    for unit in (head, worker):
        assert "IPAddressDeny=any\nIPAddressAllow=localhost\nIPAddressAllow=10.0.0.1\n" in unit
        assert "IPAddressAllow=10.0.0.2\n" in unit
        assert "User=onecard\n" in unit


def test_the_filter_has_to_work_except_in_a_container() -> None:
    assert isinstance(wanted(1)[0], AddressFilter)
    assert AddressFilter().read(Answer("refused\n")) == {"works": True}
    for output in ("sent\n", "", "Failed to connect to bus"):
        assert AddressFilter().read(Answer(output)) == {"works": False}
    inside = replace(
        facts(1), machine=replace(facts(1).machine, container=Container("systemd-nspawn"))
    )
    first = ray.desired(group(), group().head, inside, VENV, None).resources[0]
    assert first == Skipped("systemd's address filter", "container")


def test_each_box_keeps_to_its_own_interface() -> None:
    environment = content(wanted(2), "ray.env").splitlines()
    for line in (
        'VLLM_HOST_IP="10.0.0.2"',
        'NCCL_SOCKET_IFNAME="eth1"',
        'GLOO_SOCKET_IFNAME="eth1"',
    ):
        assert line in environment
    assert 'RAY_AUTH_MODE="token"' in environment


def test_no_secret_is_in_a_file_that_others_read_and_the_key_stays_on_the_head() -> None:
    for number in (1, 2):
        for each in wanted(number):
            assert KEY not in f"{each}{getattr(each, 'content', '')}"
        assert "VLLM_API_KEY" in json.loads(content(wanted(number), "env_vars.json"))


def test_a_new_environment_or_address_restarts_ray_and_a_longer_context_does_not() -> None:
    def mark(number: int, **values: object) -> str:
        (found,) = [each for each in wanted(number, **values) if isinstance(each, Service)]
        return found.configuration

    assert mark(1) == mark(1, ctx=8192)
    assert mark(1) != mark(1, environment={"NCCL_DEBUG": "INFO"})
    assert mark(1) != mark(2)


def test_the_server_on_the_head_uses_ray() -> None:
    head = host(1)
    words = serve.command(head)
    at = words.index("--distributed-executor-backend")
    assert words[at + 1] == "ray"
    assert words[words.index("--pipeline-parallel-size") + 1] == "2"
    resources = serve.desired(head, facts(1))
    found = {each.path: each.content for each in resources if isinstance(each, File)}
    assert 'RAY_ADDRESS="10.0.0.1:6379"' in found["/etc/onecard/vllm.env"]
    assert 'VLLM_CONFIG_ROOT="/etc/onecard/ray"' in found["/etc/onecard/vllm.env"]
    unit = found["vllm.service"]
    assert "Requires=onecard-ray.service" in unit
    assert "EnvironmentFile=/etc/onecard/ray/token.env" in unit
    assert serve.cards(head) == "0"  # of its own box


def test_a_box_without_its_address_is_refused() -> None:
    with pytest.raises(
        PreflightError, match=r"cluster.address 10.0.0.1 is none .*10.0.0.2 on eth1"
    ):
        serve.server_environment(host(1), facts(2))


NODES = RayNodes(VENV, 6379, (("10.0.0.1", "box1"), ("10.0.0.2", "box2")))


def test_a_box_that_is_not_in_the_cluster_is_named() -> None:
    found = NODES.read(Answer("node=10.0.0.1 alive\nnode=10.0.0.2 dead\n"))
    assert found == {"box1": "alive", "box2": "dead"}
    assert NODES.read(Answer("")) == {"box1": "absent", "box2": "absent"}
    assert NODES.desired() == {"box1": "alive", "box2": "alive"}


def nodes_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> RayNodes:
    """Return the resource with `program` in place of the environment's Python."""
    token = tmp_path / "token.env"
    token.write_text(f"RAY_AUTH_TOKEN={KEY}\n")
    monkeypatch.setattr(paths, "RAY_TOKEN", str(token))
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    return RayNodes(str(tmp_path), 6379, NODES.boxes)


def test_the_token_is_given_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = nodes_of(tmp_path, monkeypatch, 'echo "$* $RAY_AUTH_MODE $RAY_AUTH_TOKEN"')
    done = shell(nodes.probe())
    assert (done.returncode, done.stdout) == (0, f"- 10.0.0.1 6379 token {KEY}\n")


def test_the_head_waits_until_every_box_has_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    program = f"echo node=10.0.0.1 alive; [ ! -e {seen} ] || echo node=10.0.0.2 alive; touch {seen}"
    nodes = nodes_of(tmp_path, monkeypatch, program)
    assert shell(f"set -e\n{nodes.fix({}, {})}").returncode == 0
    assert seen.exists()


def test_the_box_that_does_not_join_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_nodes, "_JOINS_S", 0)
    nodes = nodes_of(tmp_path, monkeypatch, "echo node=10.0.0.1 alive; echo node=10.0.0.2 dead")
    done = shell(f"set -e\n{nodes.fix({}, {})}")
    assert (done.returncode, done.stdout) == (1, "error: box2: did not join Ray within 0 s\n")


def test_each_stage_takes_all_cards_of_its_box() -> None:
    head = host(1, tensor_parallel="auto")
    cards = box(gpus=(CARD, replace(CARD, index=1)), network=facts(1).network)
    settled = settle(head, cards).host
    assert settled.settings.serve.tensor_parallel == 2
    assert serve.cards(settled) == "0,1"
