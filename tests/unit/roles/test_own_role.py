"""Roles of one's own: added by the setting `roles`, in place of a built-in one, and removed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import roles
from onecard.doctor.replay import Replay
from onecard.errors import UsageError
from onecard.facts.teardown import TeardownFacts
from onecard.inventory.host import Host
from onecard.inventory.load import load
from onecard.project import PROJECT
from onecard.provision.replayed_plan import replayed_plan
from onecard.resources.absent import NoPath, NoService
from onecard.resources.apt.packages import AptPackages
from onecard.resources.files.file import File
from onecard.resources.system.service import Service
from onecard.settings.settings import PROVISION_ROLES
from roles import own_role, teardown
from tests.support.facts_support import CARD, working
from tests.support.facts_support import box as box_facts

FACTS = box_facts(driver=working("580.95.05"), gpus=(CARD,))
PAGE = (PROJECT / "docs" / "adding-a-role.md").read_text(encoding="utf-8")
ROLE = re.findall(r"(?s)```python\n(.*?)```", PAGE)[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, the working directory, with one host that has the role `page`."""
    monkeypatch.delenv("ONECARD_INVENTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory").mkdir()
    (tmp_path / "roles").mkdir()
    host_with(tmp_path, ["...", "page"])
    return tmp_path


def host_with(folder: Path, names: list[str]) -> Host:
    vars_ = f"address: 192.0.2.7, roles: [{', '.join(names)}]"
    (folder / "inventory" / "hosts.yml").write_text(f"all: {{hosts: {{a100-1: {{{vars_}}}}}}}\n")
    return load(folder / "inventory").hosts["a100-1"]


def box(folder: Path) -> Host:
    return load(folder / "inventory").hosts["a100-1"]


def test_the_documented_role_is_applied_in_its_place(folder: Path) -> None:
    (folder / "roles" / "page.py").write_text(ROLE)
    planned = roles.provision(box(folder), FACTS)
    assert [role.name for role in planned] == [*PROVISION_ROLES, "page"]
    kinds = {type(resource) for resource in planned[-1].resources}
    assert {AptPackages, File, Service} <= kinds
    first = host_with(folder, ["base", "page", "..."])
    assert [role.name for role in roles.system(first, FACTS)] == [
        "base", "page", "driver", "python",
    ]  # fmt: skip


def test_teardown_removes_what_the_role_names(folder: Path) -> None:
    (folder / "roles" / "page.py").write_text(ROLE)
    gone = teardown.desired(box(folder), FACTS, TeardownFacts(uid=None, port=8000))
    assert isinstance(gone[0], NoService)
    assert isinstance(gone[1], NoPath)


def test_a_role_takes_the_place_of_the_built_in_one_and_may_use_it(folder: Path) -> None:
    host = host_with(folder, list(PROVISION_ROLES))
    before = roles.wanted(("base",), host, FACTS)[0].resources
    (folder / "roles" / "base.py").write_text(
        "from onecard.resources.files.file import File\n"
        "from roles import base\n\n\n"
        "def desired(host, facts):\n"
        '    return (*base.desired(host, facts), File("/etc/motd", "hello\\n"))\n'
    )
    after = roles.wanted(("base",), host, FACTS)[0].resources
    assert after == (*before, File("/etc/motd", "hello\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"a100-1: roles: there is no role page: .*roles/page\.py does not exist"),
        ("def desired(:\n", r"roles/page\.py:1: invalid syntax"),
        ("import yaml\n\nimport no_such\n", r"roles/page\.py:3: ModuleNotFoundError"),
        ("x = 1\n", r"roles/page\.py: has no function desired\(host, facts\)"),
    ],
)
def test_a_role_that_cannot_be_loaded_is_named_before_a_connection(
    folder: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (folder / "roles" / "page.py").write_text(text)
    with pytest.raises(UsageError, match=message):
        replayed_plan(Replay(FACTS), box(folder))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("host.nothing", r"roles/page\.py:2: AttributeError: "),
        ('("a",)', r"roles/page\.py: desired\(host, facts\) must return a tuple of resources"),
    ],
)
def test_a_role_that_fails_is_named_with_its_line(folder: Path, body: str, message: str) -> None:
    (folder / "roles" / "page.py").write_text(f"def desired(host, facts):\n    return {body}\n")
    with pytest.raises(UsageError, match=message):
        roles.provision(box(folder), FACTS)


def test_a_misspelt_name_gets_a_suggestion(folder: Path) -> None:
    (folder / "roles" / "page.py").write_text(ROLE)
    host = host_with(folder, [*PROVISION_ROLES, "pag"])
    with pytest.raises(UsageError, match='did you mean "page"'):
        own_role.check(host)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["base", "page"], r"are all needed, in this order; write \.\.\. for those"),
        (["driver", "base", "..."], "are all needed, in this order"),
        (["...", "page", "..."], "listed twice"),
        ([*PROVISION_ROLES, "page", "page"], "listed twice"),
        ([*PROVISION_ROLES, "../x"], "roles"),
    ],
)
def test_a_list_that_cannot_work_is_refused(folder: Path, names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        host_with(folder, names)
    assert "inventory/hosts.yml" in str(refused.value)


def test_in_the_clone_the_built_in_roles_are_nobodys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    host = load(PROJECT / "inventory").rental
    own_role.check(host)
    assert own_role.absent(host, FACTS) == ()
