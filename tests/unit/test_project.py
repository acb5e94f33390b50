"""The folder of one's own: found from the working directory; in the clone it is the clone."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard import project
from onecard.commands.sandbox import write_settings
from onecard.errors import UsageError
from onecard.project import PROJECT, find_own_folder, inventory_folder, own_path, runs_folder


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONECARD_INVENTORY", raising=False)
    monkeypatch.delenv("ONECARD_RUNS", raising=False)


@pytest.mark.parametrize("below", ["", "onecard", "onecard/inventory", "tests/unit", "docs"])
def test_in_the_clone_it_is_the_clone(below: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT / below)
    assert find_own_folder() == PROJECT
    assert inventory_folder() == PROJECT / "inventory"
    assert runs_folder() == PROJECT / "runs"


def test_it_is_the_nearest_one_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inventory" / "host_vars").mkdir(parents=True)
    (tmp_path / "notes" / "inventory").mkdir(parents=True)
    (tmp_path / "notes" / "inventory" / "module.py").touch()
    monkeypatch.chdir(tmp_path / "notes")
    assert find_own_folder() == tmp_path
    assert runs_folder() == tmp_path / "runs"
    (tmp_path / "notes" / "inventory" / "hosts.ini").touch()
    assert inventory_folder() == tmp_path / "notes" / "inventory"


def test_outside_a_clone_there_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_own_folder() == PROJECT
    monkeypatch.setattr(project, "IS_CLONE", False)
    with pytest.raises(UsageError, match="`onecard init DIR`"):
        inventory_folder()
    (tmp_path / "a" / "inventory").mkdir(parents=True)
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path / "a" / "inventory"))
    assert inventory_folder() == tmp_path / "a" / "inventory"
    assert runs_folder() == tmp_path / "a" / "runs"


def test_a_path_of_the_settings_begins_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inventory" / "group_vars").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert own_path("./wheels") == tmp_path / "wheels"
    assert own_path("/srv/model") == Path("/srv/model")
    tiny = "./onecard/tiny_model/tiny-vqa"
    assert own_path(tiny) == PROJECT / tiny
    (tmp_path / tiny).mkdir(parents=True)
    assert own_path(tiny) == tmp_path / tiny


def test_boxes_of_the_sandbox_have_their_settings_in_any_folder(tmp_path: Path) -> None:
    group_vars = tmp_path / "group_vars"
    write_settings(group_vars)
    written = group_vars / "sandbox.yml"
    shipped = PROJECT / "inventory" / "group_vars" / "sandbox.yml"
    assert written.read_bytes() == shipped.read_bytes()
    written.write_text("accelerator: cpu\n")
    write_settings(group_vars)
    assert written.read_text() == "accelerator: cpu\n"
