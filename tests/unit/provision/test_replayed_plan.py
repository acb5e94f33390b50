"""`plan --facts`: what the facts of real boxes tell, and what they do not."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from onecard.doctor.replay import Replay, read_replay
from onecard.facts import Facts, read_facts
from onecard.inventory.host import Host
from onecard.provision.replayed_plan import ReplayedPlan, replayed_plan
from onecard.provision.replayed_plan_table import print_replayed_plan
from onecard.settings.connection import Connection
from onecard.settings.settings import PROVISION_ROLES, Settings
from onecard.ssh.probe_batch import Answer
from tests.support.facts_support import CARD, box, working

HERE = Path(__file__).parents[1] / "fixtures" / "facts"
HOST = Host("report.json", Connection(""), Settings())


def captured(name: str) -> Facts:
    answers = json.loads((HERE / name).read_text())
    return read_facts({probe: Answer(**answer) for probe, answer in answers.items()})


def shown(plan: ReplayedPlan) -> str:
    screen = io.StringIO()
    print_replayed_plan(plan, Console(file=screen, width=200))
    return screen.getvalue()


def test_closed_modules_under_a_card_that_needs_the_open_ones() -> None:
    plan = replayed_plan(read_replay(HERE / "rtx-5090-closed-modules.yml", "report.yml"), HOST)
    assert plan.driver is not None
    assert (plan.driver.action, plan.driver.reboot, plan.pending) == ("install", True, True)
    assert "linux-modules-nvidia-580-server-open-generic" in plan.driver.packages
    assert not plan.blockers
    assert {role.name for role in plan.roles if role.waits} == {
        "python",
        "vllm",
        "model",
        "services",
    }
    text = shown(plan)
    assert "driver    install: NVIDIA Device 2c58 needs NVIDIA's open kernel modules" in text
    assert "unknown   not in the facts, so not checked: architecture, root, " in text
    assert "python    waits for the driver" in text


def test_a_box_in_order_lists_what_every_role_wants() -> None:
    plan = replayed_plan(Replay(box(driver=working("580.95.05"), gpus=(CARD,))), HOST)
    assert plan.driver is not None
    assert (plan.driver.action, plan.pending, plan.blockers) == ("leave", False, ())
    assert [role.name for role in plan.roles] == list(PROVISION_ROLES)
    assert [role.name for role in plan.roles if not role.resources] == ["services"]  # systemd's
    assert not any(role.waits for role in plan.roles)


def test_a_container_whose_driver_is_the_hosts() -> None:
    plan = replayed_plan(Replay(captured("h200-container.json")), HOST)
    assert plan.driver is not None
    assert (plan.driver.action, plan.pending) == ("leave", False)
    shown_roles = {role["name"]: role for role in plan.to_json()["roles"]}
    assert shown_roles["driver"]["skipped"] == ["NVIDIA driver"]
    assert shown_roles["driver"]["resources"] == []
    assert "NVIDIA driver skipped: container" in shown(plan)


def test_what_forbids_a_run_ends_the_plan() -> None:
    plan = replayed_plan(Replay(captured("debian12-container.json")), HOST)
    assert plan.blockers
    assert plan.roles == ()
    assert plan.blockers[0].message in shown(plan)


def test_without_the_driver_in_the_facts_nothing_is_concluded_from_its_absence() -> None:
    plan = replayed_plan(Replay(box(), ("driver", "gpus")), HOST)
    assert plan.driver is None
    assert plan.roles == ()
    assert not plan.pending
    assert {"driver", "build", "nouveau"} <= {
        each.name for each in plan.checks if each.status == "unknown"
    }


def test_a_cpu_host_needs_no_driver() -> None:
    host = Host("cpu", Connection(""), Settings(accelerator="cpu"))
    plan = replayed_plan(Replay(box(pci=())), host)
    assert plan.driver is None
    assert [role.name for role in plan.roles][:1] == ["base"]
    assert plan.to_json()["driver"] is None
