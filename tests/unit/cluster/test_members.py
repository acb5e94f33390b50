"""What the boxes of a cluster must have alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onecard.cluster.members import refuse_cpu, require_alike
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from tests.support.facts_support import CARD, box, working

GOOD = box(driver=working("580.95.05"), gpus=(CARD,))
OTHER_CARD = box(driver=working("580.95.05"), gpus=(replace(CARD, name="NVIDIA L4"),))


def test_boxes_alike_pass() -> None:
    require_alike({"box1": GOOD, "box2": GOOD})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (OTHER_CARD, "cards 1 x NVIDIA A100-SXM4-80GB, and 1 x NVIDIA L4"),
        (box(driver=working("580.95.05"), gpus=(CARD, CARD)), "and 2 x NVIDIA A100"),
        (box(driver=working("570.12.01"), gpus=(CARD,)), "driver 580.95.05, and 570.12.01"),
        (box(), "cards 1 x NVIDIA A100-SXM4-80GB, and none"),
        (box(machine={"systemd": False}), "box2: a pod cannot be part of a cluster"),
    ],
)
def test_others_are_refused(other: Facts, message: str) -> None:
    with pytest.raises(PreflightError) as caught:
        require_alike({"box1": GOOD, "box2": other})
    assert message in caught.value.message


def test_the_cpu_build_is_refused_before_it_is_started() -> None:
    refuse_cpu(Host("box1", Connection(""), Settings()))
    cpu = Settings.model_validate({"accelerator": "cpu"})
    with pytest.raises(PreflightError, match="current platform cpu does not support ray"):
        refuse_cpu(Host("box1", Connection(""), cpu))
