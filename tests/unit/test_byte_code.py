"""Byte code is stored outside the source tree, and nothing that is wrong with it breaks a command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# Loaded before, or not by way of, the project's own loader.
ALWAYS = {
    "tasks.py",
    "onecard/__init__.py",
    "onecard/byte_code.py",
    "onecard/private_files.py",
    "onecard/shipped.py",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's modules without any byte code, and an inventory without hosts."""
    tree = tmp_path_factory.mktemp("tree").resolve()
    for name in ("onecard", "roles", "inventory"):
        no_cache = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, tree / name, ignore=no_cache)
    shutil.copy(PROJECT / "tasks.py", tree)
    return tree


def compiled(tree: Path, *options: str, **environment: str) -> set[str]:
    """Run `invoke hosts` and return which of the tree's modules were compiled for it."""
    unset = (
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX",
        "XDG_CACHE_HOME",
        "ONECARD_INVENTORY",
    )
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-v", Path(sys.executable).parent / "invoke", *options, "hosts"],
        cwd=tree,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    start = f"# code object from {tree}/"  # byte code's path is shown in quotes
    lines = done.stderr.splitlines()
    return {line.removeprefix(start) for line in lines if line.startswith(start)}


def byte_code(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.pyc"))


@pytest.mark.parametrize("variable", [{}, {"PYTHONDONTWRITEBYTECODE": "1"}])
def test_the_second_run_compiles_nothing_and_the_tree_stays_clean(
    tree: Path, tmp_path: Path, variable: dict[str, str]
) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path), **variable}
    assert "onecard/ssh/connection.py" in compiled(tree, **environment)
    assert compiled(tree, **environment) == ALWAYS
    assert byte_code(tree) == []
    own = tmp_path / "onecard"
    assert {path.stat().st_mode & 0o777 for path in (own, own / "pycache")} == {0o700}
    assert {path.name.split(".")[0] for path in byte_code(own)} >= {
        "connection",
        "hosts",
        "settings",
    }
    # No module but the project's own: the others are installed with their byte code.
    assert {path for path in byte_code(own) if str(tree) not in str(path)} == set()


def test_a_module_that_changed_is_compiled_again(tree: Path, tmp_path: Path) -> None:
    compiled(tree, XDG_CACHE_HOME=str(tmp_path))
    (tree / "onecard" / "project.py").open("a").write("\n# changed\n")
    assert compiled(tree, XDG_CACHE_HOME=str(tmp_path)) == {*ALWAYS, "onecard/project.py"}


@pytest.mark.parametrize("rest", [8, 60])
def test_byte_code_that_was_cut_short_breaks_nothing(tree: Path, tmp_path: Path, rest: int) -> None:
    compiled(tree, XDG_CACHE_HOME=str(tmp_path))
    for path in byte_code(tmp_path):
        os.truncate(path, rest)
    compiled(tree, XDG_CACHE_HOME=str(tmp_path))  # each module from its source, silently
    compiled(tree, XDG_CACHE_HOME=str(tmp_path))
    assert compiled(tree, XDG_CACHE_HOME=str(tmp_path)) == ALWAYS


def test_a_folder_that_others_may_write_to_is_not_used(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "onecard").mkdir()
    for mode in (0o770, 0o707, 0o777):
        (tmp_path / "onecard").chmod(mode)
        assert "onecard/ssh/connection.py" in compiled(tree, XDG_CACHE_HOME=str(tmp_path))
    assert byte_code(tmp_path) == []


def test_a_link_is_not_used(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "onecard").symlink_to(tmp_path / "elsewhere")
    compiled(tree, XDG_CACHE_HOME=str(tmp_path))
    assert byte_code(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to somebody else")
def test_somebody_elses_folder_is_not_used(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "onecard").mkdir(mode=0o700)
    os.chown(tmp_path / "onecard", 65534, 65534)
    compiled(tree, XDG_CACHE_HOME=str(tmp_path))
    assert byte_code(tmp_path) == []


def test_a_cache_that_cannot_be_made_breaks_nothing(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ({"XDG_CACHE_HOME": str(tmp_path / "file")}, {"HOME": "/proc/nowhere"}):
        assert "onecard/ssh/connection.py" in compiled(tree, **place)


def test_the_cache_is_below_home_by_default(tree: Path, tmp_path: Path) -> None:
    compiled(tree, HOME=str(tmp_path), XDG_CACHE_HOME="relative/is-invalid")
    assert byte_code(tmp_path / ".cache" / "onecard" / "pycache")
    assert not (tree / "relative").exists()


def test_a_prefix_of_the_users_own_is_used(tree: Path, tmp_path: Path) -> None:
    own, prefix = tmp_path / "own", tmp_path / "prefix"
    environment = {"XDG_CACHE_HOME": str(own), "PYTHONPYCACHEPREFIX": str(prefix)}
    compiled(tree, PYTHONDONTWRITEBYTECODE="1", **environment)
    assert byte_code(prefix) == []
    compiled(tree, **environment)
    assert compiled(tree, **environment) == ALWAYS
    assert {"connection"} <= {path.name.split(".")[0] for path in byte_code(prefix)}
    assert not own.exists()


def test_byte_code_that_is_wanted_in_the_tree_goes_there(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy)
    compiled(copy, "--write-pyc", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert byte_code(copy / "onecard")
    assert not (tmp_path / "cache").exists()


def test_what_make_venv_compiles_serves_the_first_command(tree: Path, tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-m", "onecard.byte_code"],
        cwd=tree,
        env={**os.environ, **environment},
        check=True,
    )
    try:
        # What Python compiles before the project's own loader is there.
        assert compiled(tree, **environment) <= ALWAYS
    finally:
        for each in tree.rglob("__pycache__"):
            shutil.rmtree(each)
