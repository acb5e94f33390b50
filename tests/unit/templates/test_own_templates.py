"""Templates of one's own: copied with the hash of the built-in one, and rendered in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.doctor.template_check import template_checks
from onecard.errors import UsageError
from onecard.project import PROJECT
from onecard.templates import own_templates as module
from onecard.templates import render as renderer
from onecard.templates.own_templates import copy_template, own_templates, template_diff
from onecard.templates.render import FOLDER

NAME = "onecard-firewall.service.j2"
VARIABLES = {"folder": "/etc/x"}


def render(name: str, variables: dict[str, str]) -> str:
    """Return what a new process renders: a template is read once in each."""
    renderer._environment.cache_clear()
    return renderer.render(name, variables)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ONECARD_INVENTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory" / "group_vars").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("name", module.built_in_templates())
def test_a_copy_is_current_and_differs_in_nothing(folder: Path, name: str) -> None:
    copy_template(name)
    assert [(each.name, each.state) for each in own_templates()] == [(name, "current")]
    assert template_diff(name) == ""


def test_a_copy_renders_the_same_bytes_and_a_changed_one_its_own(folder: Path) -> None:
    before = render(NAME, VARIABLES)
    path = copy_template(NAME)
    assert render(NAME, VARIABLES) == before
    path.write_text(path.read_text().replace("[Service]", "[Service]\nNice=5"))
    assert render(NAME, VARIABLES) == before.replace("[Service]", "[Service]\nNice=5")
    assert "+Nice=5\n" in template_diff(NAME)
    assert own_templates()[0].state == "current"


def test_doctor_warns_when_the_built_in_one_has_changed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert template_checks() == ()
    copy_template(NAME)
    assert [check.status for check in template_checks()] == ["ok"]
    newer = tmp_path_factory.mktemp("newer")
    (newer / NAME).write_text((FOLDER / NAME).read_text() + "# newer\n")
    monkeypatch.setattr(module, "FOLDER", newer)
    (check,) = template_checks()
    assert check.status == "warning"
    assert f"templates/{NAME}" in check.message and f"templates --diff {NAME}" in check.fix


def test_one_written_from_nothing_is_own_and_a_misspelt_one_replaces_nothing(folder: Path) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / NAME).write_text("[Unit]\n")
    assert own_templates()[0].state == "own"
    (folder / "templates" / "vlm.service.j2").write_text("[Unit]\n")
    (check,) = template_checks()
    assert check.status == "warning" and "templates/vlm.service.j2" in check.message


def test_what_cannot_be_copied_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UsageError, match=r"no built-in template \.\./x; there are: .*vllm\.env\.j2"
    ):
        copy_template("../x")
    path = copy_template(NAME)
    with pytest.raises(UsageError, match=f"exists; compare it: invoke templates --diff {NAME}"):
        copy_template(NAME)
    path.unlink()
    with pytest.raises(UsageError, match=f"copy it: invoke templates --copy {NAME}"):
        template_diff(NAME)
    monkeypatch.chdir(PROJECT)
    with pytest.raises(UsageError, match="the built-in template itself"):
        copy_template(NAME)
