"""Driver plans: each file in fixtures/driver is a box and the plan that it gets."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from facts_support import box

from onecard.driver import DriverSettings, decide
from onecard.facts import Container, Driver, Facts, Gpu, PciDevice

FILES = sorted((Path(__file__).parent / "fixtures" / "driver").glob("*.yml"))


def facts_of(told: dict[str, Any]) -> Facts:
    """Build the facts: what the file leaves out is the plain box of facts_support."""
    groups: dict[str, Any] = dict(told)
    if "pci" in groups:
        groups["pci"] = tuple(PciDevice(**device) for device in groups["pci"])
    if "gpus" in groups:
        groups["gpus"] = tuple(Gpu(**gpu) for gpu in groups["gpus"])
    if "driver" in groups:
        routes = tuple(groups["driver"].pop("routes", ()))
        groups["driver"] = Driver(**groups["driver"], routes=routes)
    if "container" in groups:
        groups["machine"] = {"container": Container(**groups.pop("container"))}
    return box(**groups)


def test_there_are_plans() -> None:
    assert len(FILES) >= 15


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_plan(file: Path) -> None:
    told = yaml.safe_load(file.read_text())
    plan = decide(facts_of(told["facts"]), DriverSettings(**told.get("setting", {})))
    expected = told["plan"]
    assert plan.action == expected["action"]
    assert plan.reason == expected["reason"]
    assert plan.fix == expected.get("fix", "")
    assert plan.reboot == expected.get("reboot", False)
    assert list(plan.commands()) == expected.get("commands", [])
    script = "\n".join(plan.commands())
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize("value", [{"branch": 100}, {"branch": "580"}, {"source": "aur"}])
def test_impossible_settings(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        DriverSettings(**value)
