"""The driver role among the others: what it wants, and what waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

import roles
from onecard.doctor.build_checks import lock_checks
from onecard.errors import PreflightError
from onecard.facts import Driver, Facts
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.resources.apt.packages import AptHolds, AptPackages
from onecard.resources.apt.sources import AptAvailability
from onecard.resources.system.kernel import KernelModules
from onecard.resources.system.nvidia import NvidiaDriver, Persistence
from onecard.settings.connection import Connection
from onecard.settings.settings import PROVISION_ROLES, Settings
from roles import driver
from tests.support.facts_support import CARD, box, working

BARE = box()
WORKING = box(driver=working("580.95.05"), gpus=(CARD,))


def host(**settings: object) -> Host:
    return Host("a100-1", Connection("192.0.2.7"), Settings.model_validate(settings))


def test_everything_behind_a_missing_driver_waits() -> None:
    planned = roles.provision(host(), BARE)
    assert [role.name for role in planned] == list(PROVISION_ROLES)
    known = PROVISION_ROLES.index("driver") + 1
    assert [role.waits for role in planned] == [
        index >= known for index in range(len(PROVISION_ROLES))
    ]
    assert all(role.resources for role in planned[:known])


@pytest.mark.parametrize(
    ("facts", "settings", "asked"),
    [
        (BARE, {}, True),
        (BARE, {"driver": {"branch": 999}}, True),
        (WORKING, {}, False),
        (BARE, {"accelerator": "cpu"}, False),
    ],
)
def test_the_sources_are_queried_before_anything_is_changed(
    facts: Facts, settings: dict[str, object], asked: bool
) -> None:
    wanted = [each for role in roles.provision(host(**settings), facts) for each in role.resources]
    questions = [index for index, each in enumerate(wanted) if isinstance(each, AptAvailability)]
    assert questions == ([0] if asked else [])


def test_nouveau_is_blacklisted_after_the_packages() -> None:
    kinds = [type(resource) for resource in driver.desired(host(), BARE)]
    assert kinds.index(KernelModules) > kinds.index(AptPackages)


@pytest.mark.parametrize(
    ("settings", "facts", "pending"),
    [
        ({}, BARE, True),
        ({}, WORKING, False),
        ({"driver": {"branch": 590}}, WORKING, True),
        ({"driver": {"source": "none"}}, WORKING, False),
        ({"accelerator": "cpu"}, BARE, False),
    ],
)
def test_pending(settings: dict[str, object], facts: Facts, pending: bool) -> None:
    assert driver.pending(host(**settings), facts) == pending


def test_a_cpu_host_and_hands_off_want_nothing() -> None:
    assert driver.desired(host(accelerator="cpu"), BARE) == ()
    assert driver.desired(host(driver={"source": "none"}), WORKING) == ()


def test_a_working_driver_is_guarded_and_not_touched() -> None:
    kinds = [type(resource) for resource in driver.desired(host(), WORKING)]
    assert kinds[0] is AptHolds
    assert NvidiaDriver in kinds
    assert Persistence not in kinds


def test_what_is_refused_reports_what_to_do() -> None:
    mixed = box(driver=Driver(route="mixed", routes=("nvidia", "ubuntu")))
    with pytest.raises(PreflightError, match=r"two routes \(nvidia, ubuntu\); remove one route"):
        driver.desired(host(), mixed)


@pytest.mark.parametrize(
    ("branch", "statuses"),
    [(580, []), (535, ["blocker"])],
    ids=["about to be replaced", "left alone"],
)
def test_a_lock_that_wants_a_newer_driver(branch: int, statuses: list[str]) -> None:
    old = box(driver=working("535.247.01"), gpus=(CARD,))
    wanted = host(driver={"branch": branch})
    lock = Lock(
        asked=build_request(wanted.settings),
        vllm="0.33.0",
        torch="2.13.0",
        torchvision="0.28.0",
        cuda="cu130",
        python="3.12",
        packages={"vllm": "0.33.0", "torch": "2.13.0", "torchvision": "0.28.0"},
    )
    checks = lock_checks(old, replace(wanted, lock=lock))
    assert [check.status for check in checks] == statuses
