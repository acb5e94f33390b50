"""Commands, paths, imports and links in README, CONTRIBUTING and docs/ exist, and none is missing."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest
import yaml

import onecard
import tasks
from onecard.diagnosis.rule import Rule
from onecard.project import PROJECT

# Made from real runs and from logs; their commands are not this documentation's.
_MADE = {"report-as-markdown.md", "troubleshooting.md"}
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *(page for page in sorted((PROJECT / "docs").glob("*.md")) if page.name not in _MADE),
]
COMMAND = re.compile(r"^    (?:\$ )?(?:# .*  )?((?:invoke|onecard) .+)$", re.MULTILINE)
TASKS = {**tasks.namespace.tasks, **{
    f"sandbox.{name}": task for name, task in tasks.namespace.collections["sandbox"].tasks.items()
}}  # fmt: skip


def commands(page: Path) -> list[str]:
    """Return the commands of a page's code blocks, without comments and optional parts' brackets."""
    found: list[str] = []
    for line in COMMAND.findall(page.read_text(encoding="utf-8")):
        typed = re.sub(r"\s+#.*", "", line).replace("[", "").replace("]", "")
        found += [each.strip() for each in re.split(r"&&|;|\|", typed)]
    return [each for each in found if each.startswith(("invoke ", "onecard "))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_in_the_documentation_exists_with_its_flags(page: Path) -> None:
    for command in commands(page):
        name, *words = shlex.split(command)[1:]
        if name.startswith("--"):  # invoke --list, invoke --help COMMAND
            continue
        assert name in TASKS, command
        # A flag that is one of Python's own words, --for, is a parameter with a _ at its end.
        known = {each.rstrip("_") for each in inspect.signature(TASKS[name].body).parameters}
        for word in words:
            if word.startswith("--"):
                flag = word[2:].split("=")[0].replace("-", "_")
                assert flag in known or flag.removeprefix("no_") in known, command


def test_commands_are_found() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_make_target_in_the_documentation_exists(page: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?m)(?:^    |`)make ([a-z]+)", page.read_text(encoding="utf-8")):
        assert re.search(rf"(?m)^{target}:", makefile), target


def test_every_command_is_in_the_documentation() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in TASKS if f"invoke {name}" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_to_a_file(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


# Written by commands, or by a reader who follows the page.
WRITTEN = re.compile(r"inventory/(kept|locks|known_hosts|secrets)|roles/page\.py|.*[A-Z]{4}")


@pytest.mark.parametrize(
    "page", [*PAGES, PROJECT / "bench" / "README.md"], ids=lambda page: page.name
)
def test_a_path_in_the_documentation_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(
        r"`((?:bench|docs|inventory|onecard|roles|templates|tests)/[^`\s]*)`", text
    ):
        assert WRITTEN.match(path) or (PROJECT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_import_in_the_documentation_works(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for module, names in re.findall(r"(?m)^from (onecard[\w.]*) import (.+)$", text):
        for name in names.split(", "):
            assert hasattr(importlib.import_module(module), name), f"{module}: {name}"


def test_the_picture_of_the_layers_is_the_contract() -> None:
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    contract = re.findall(r'"([^"]+)"', project.partition("\nlayers = [")[2].partition("]")[0])
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = text.partition("stands above all.\n")[2].partition("What each part")[0]
    drawn = re.findall(r"(?m)^    (\w.*?) {3,}", picture)
    wanted = [set(layer.replace("onecard.", "").split(" | ")) for layer in contract]
    assert [set(layer.split()) for layer in drawn] == wanted


def test_the_example_of_a_rule_is_a_rule() -> None:
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"(?m)^    - id:(?:.*\n)(?:      .*\n)+", text)
    assert Rule.model_validate(yaml.safe_load(example)[0]).id == "engine-port-in-use"


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_version_is_one() -> None:
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{onecard.__version__}"\n' in project
    assert f"\n## [{onecard.__version__}]" in (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
