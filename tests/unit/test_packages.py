"""The packages: each in its layer, each with one sentence, none too large."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ONECARD = PROJECT / "onecard"
PACKAGES = sorted(path.parent for path in ONECARD.glob("**/__init__.py"))
LARGEST = 16  # modules
LONGEST_FILE, LONGEST_FUNCTION = 330, 60  # lines


def test_only_what_all_stands_on_lies_in_onecard_itself() -> None:
    flat = {path.name for path in ONECARD.glob("*.py")}
    assert flat == {
        "__init__.py",
        "byte_code.py",
        "errors.py",
        "json_text.py",
        "private_files.py",
        "project.py",
        "served_model.py",
        "shipped.py",
    }


def test_every_package_is_in_a_layer() -> None:
    text = (PROJECT / "pyproject.toml").read_text()
    layers = re.findall(r"onecard\.(\w+)", text.partition("[[tool.importlinter")[2])
    flat = {
        "errors",
        "byte_code",
        "json_text",
        "private_files",
        "project",
        "served_model",
        "shipped",
    }
    assert flat | {path.name for path in PACKAGES if path.parent == ONECARD} == set(layers)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_has_a_docstring_and_is_small(package: Path) -> None:
    assert ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert len(list(package.glob("*.py"))) - 1 <= LARGEST


def test_a_class_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = {}
    for top in ("onecard", "roles"):
        for path in (PROJECT / top).glob("**/*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(str(path.relative_to(PROJECT)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not twice


@pytest.mark.parametrize("top", ["onecard", "roles"])
def test_files_and_functions_are_short(top: str) -> None:
    for path in (PROJECT / top).glob("**/*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= LONGEST_FILE, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                assert node.end_lineno - node.lineno < LONGEST_FUNCTION, (path, node.name)
