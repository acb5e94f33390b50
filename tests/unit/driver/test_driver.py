"""Driver plans: each file in fixtures/driver is a box and the plan that it gets."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from onecard.settings.settings import DriverSettings
from tests.support.driver_support import COMMANDS, FILES, all_commands, planned, written


def test_there_are_plans() -> None:
    assert len(FILES) >= 50


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_box_names_where_it_is_from(file: Path) -> None:
    assert len(yaml.safe_load(file.read_text())["source"]) > 10


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_plan(file: Path) -> None:
    assert written(*planned(file)) == yaml.safe_load(file.read_text())["plan"]


def test_the_commands_of_every_step() -> None:
    assert all_commands() == yaml.safe_load(COMMANDS.read_text())
    for scripts in all_commands().values():
        for script in scripts:
            assert (
                subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
            )


@pytest.mark.parametrize("value", [{"branch": 100}, {"branch": "new"}, {"source": "aur"}])
def test_impossible_settings(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        DriverSettings(**value)
