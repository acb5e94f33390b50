"""The order of a roll, and what a failure leaves; the gateway itself is tested on boxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.errors import CommandError
from onecard.gateway.rolling import Roll, Step
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings

HOSTS = tuple(Host(f"box{n}", Connection(f"192.0.2.{n}"), Settings()) for n in range(1, 6))
GOOD = Step(changed=True, release=2, ready_s=1.0, serves=True)


def roll(failing: str, batch: int, *, raised: bool = False) -> tuple[list[str], list[str]]:
    begun: list[str] = []

    def step(host: Host) -> Step:
        begun.append(host.name)
        if host.name != failing:
            return GOOD
        error = CommandError(f"{host.name}: failed")
        if raised:
            raise error
        return Step(changed=True, release=2, ready_s=None, serves=True, error=error)

    done = Roll(step, None, Path("known_hosts"), lambda host, text: None).run(HOSTS, batch)
    assert [each.host for each in done] == [host.name for host in HOSTS]
    return sorted(begun), [each.status for each in done]


def test_one_after_another() -> None:
    assert roll("", 1) == ([host.name for host in HOSTS], ["changed"] * 5)


@pytest.mark.parametrize("raised", [False, True])
def test_a_failure_leaves_the_hosts_behind_it_as_they_are(raised: bool) -> None:
    begun, statuses = roll("box2", 1, raised=raised)
    assert begun == ["box1", "box2"]
    assert statuses == ["changed", "failed", "not begun", "not begun", "not begun"]


def test_the_others_of_its_batch_finish() -> None:
    begun, statuses = roll("box1", 2)
    assert begun == ["box1", "box2"]
    assert statuses == ["failed", "changed", "not begun", "not begun", "not begun"]
