"""The short form of the fault matrix (tests/faults): one try of the rows that say so."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.box.conftest import Box, Controller
from tests.faults.fault import Fault, attempt
from tests.faults.matrix import SHORT
from tests.faults.scene import Scene
from tests.faults.work import Work

pytestmark = pytest.mark.box


@pytest.fixture(scope="module", autouse=True)
def afterwards(controller: Controller, deployed: Any) -> Iterator[None]:
    """What the inventory says is served again."""
    yield
    controller.json("deploy", "--host", "sandbox")


@pytest.mark.parametrize(
    ("fault", "work"), SHORT, ids=[f"{fault.name}, {work.name}" for fault, work in SHORT]
)
def test_a_fault(controller: Controller, box: Box, deployed: Any, fault: Fault, work: Work) -> None:
    """A moment after the command's end is drawn again."""
    scene = Scene(controller, box, Random(fault.name))
    outcome = next(filter(None, (attempt(fault, work, scene) for _ in range(5))), None)
    assert outcome is not None, "the command ended before the fault, five times"
    assert outcome.trouble == []
