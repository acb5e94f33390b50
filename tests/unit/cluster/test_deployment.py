"""What a failed start does to the boxes of a cluster, and which Ray a release needs."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from onecard.cluster import deployment
from onecard.cluster.deployment import CurrentRelease, deploy_cluster, ray_environment
from onecard.errors import CommandError, UnhealthyError
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.cluster_group import cluster_group
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from tests.support.facts_support import box

OLD, NEW = "/opt/onecard/venvs/old", "/opt/onecard/current"  # without a lock, the current one
RAY = ["--distributed-executor-backend", "ray"]


def hosts(*, rollback: bool = True) -> tuple[Host, ...]:
    return tuple(
        Host(
            f"box{number}",
            Connection(""),
            Settings.model_validate(
                {
                    "cluster": {"head": "box1", "address": f"10.0.0.{number}"},
                    "serve": {"rollback": rollback},
                }
            ),
        )
        for number in (1, 2)
    )


class Session:
    """Prints the same whatever runs."""

    def __init__(self, output: str) -> None:
        self.output = output

    def run(self, script: str) -> Any:
        return SimpleNamespace(output=self.output, code=0)


@pytest.mark.parametrize(
    ("about", "venv"),
    [
        (json.dumps({"command": [f"{OLD}/bin/vllm", "serve", "/m", *RAY]}), OLD),
        (json.dumps({"command": [f"{OLD}/bin/vllm", "serve", "/m", "--port", "8000"]}), ""),
        (json.dumps({"model": "m"}), ""),
        ("cat: no such file", ""),
        ("[]", ""),
    ],
)
def test_a_release_says_which_ray_it_needs(about: str, venv: str) -> None:
    assert ray_environment(Session(about), 3) == venv  # type: ignore[arg-type]


def deployed(
    monkeypatch: pytest.MonkeyPatch,
    before: CurrentRelease | None,
    *,
    error: UnhealthyError | None = None,
    refused: bool = False,
    check: bool = False,
    rollback: bool = True,
    lost: bool = False,
) -> list[str]:
    """Run a deploy whose steps only note themselves; return them."""
    steps: list[str] = []
    failed = SimpleNamespace(back_to=None, starts=["failed"])

    def start(group: Any, boxes: Any, venv: str, consoles: Any, **values: Any) -> tuple[()]:
        steps.append(f"ray {venv}")
        if lost and len(steps) > 1:
            raise CommandError("box2 is gone")
        return ()

    def deploy_host(box: Any, host: Host, console: Any, **values: Any) -> Any:
        steps.append(f"server, back by itself: {host.settings.serve.rollback}")
        if refused:
            raise CommandError("refused")
        return SimpleNamespace(error=error, check=failed)

    def restore_release(box: Any, host: Host, console: Any, **values: Any) -> Any:
        steps.append(f"release {values['release']}")
        return None, SimpleNamespace(starts=["restored"])

    for name, function in {
        "gather": lambda session, holder: box(),
        "require_provisioned": lambda host, found: None,
        "read_box_model": lambda session, host: None,
        "measure_links": lambda boxes, on_link: (),
        "find_current": lambda session: before,
        "start_ray": start,
        "remove_ray": lambda boxes, consoles, command: steps.append("no ray"),
        "deploy_host": deploy_host,
        "restore_release": restore_release,
    }.items():
        monkeypatch.setattr(deployment, name, function)
    group = cluster_group("pool", hosts(rollback=rollback))
    boxes: Any = [SimpleNamespace(host=host, session=None) for host in group.members]
    console: Any = SimpleNamespace(say=lambda text, style="": None)
    with pytest.raises(CommandError, match="refused") if refused else nullcontext():
        deploy_cluster(group, boxes, lambda host: console, check=check)
    went_back = any(step.startswith("release") for step in steps)
    assert (len(failed.starts) == 2) == (went_back and not refused)
    return steps


def before(venv: str) -> CurrentRelease:
    release: Any = SimpleNamespace(number=7, fingerprint="f")
    return CurrentRelease(release, venv)


FAILED = UnhealthyError("box1: no answer")


def test_a_good_start_leaves_it_at_that(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployed(monkeypatch, before(NEW)) == [f"ray {NEW}", "server, back by itself: True"]


def test_a_first_start_that_fails_takes_ray_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployed(monkeypatch, None, error=FAILED)[2:] == ["no ray"]


@pytest.mark.parametrize("refused", [False, True])
def test_all_boxes_go_back_to_the_environment_of_the_release_before(
    monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    steps = deployed(monkeypatch, before(OLD), error=FAILED, refused=refused)
    assert steps == [
        f"ray {NEW}",
        "server, back by itself: False",
        f"ray {OLD}",
        "release 7",
    ]


def test_a_server_without_ray_comes_back_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployed(monkeypatch, before(""), error=FAILED)[2:] == ["no ray", "release 7"]


def test_a_dry_run_takes_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(deployed(monkeypatch, before(OLD), refused=True, check=True)) == 2


def test_where_it_may_not_go_back_all_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(deployed(monkeypatch, before(OLD), error=FAILED, rollback=False)) == 2
    assert len(deployed(monkeypatch, before(OLD), refused=True, rollback=False)) == 2


def test_the_first_error_is_raised_where_going_back_fails_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = deployed(monkeypatch, before(OLD), refused=True, lost=True)
    assert steps[-1] == f"ray {OLD}"
