"""Paths read together answer as each by itself, through a real shell."""

from __future__ import annotations

import getpass
import grp
import os
from pathlib import Path

import pytest

from onecard.engine.probing import probes_of
from onecard.resources.base import Resource, State
from onecard.resources.files.file import Directory, File
from onecard.ssh.probe_batch import compose, parse
from tests.support.on_shell import shell


def look(*resources: Resource) -> dict[str, State]:
    """Return name -> state, as the engine reads it."""
    probes = probes_of(resources)
    answers = parse(
        shell(compose({each.text: each.text for each in probes})).stdout,
        [each.text for each in probes],
    )
    pairs = (pair for each in probes for pair in each.split(answers[each.text]))
    return {resource.name: resource.understand(answer) for resource, answer in pairs}


def alone(resource: Resource) -> State:
    answer = parse(shell(compose({"it": resource.probe()})).stdout, ["it"])["it"]
    return resource.understand(answer)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain").write_text("one\n")
    (tmp_path / "empty").touch()
    (tmp_path / "with space 'and' \"quotes\" \\ $HOME").write_text("odd")
    (tmp_path / "two\nlines").write_text("x")
    (tmp_path / "-n").write_text("flag")
    (tmp_path / "long").write_text("0123456789" * 7000)
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")  # a program that reads it would wait for ever
    return tmp_path


@pytest.mark.parametrize("sensitive", [False, True])
def test_files_read_together_are_as_each_alone(folder: Path, *, sensitive: bool) -> None:
    names = [*sorted(path.name for path in folder.iterdir()), "missing"]
    files = [File(f"{folder}/{name}", "", sensitive=sensitive) for name in names]
    found = look(*files)
    assert found == {file.name: alone(file) for file in files}
    assert ("content" in found[f"file {folder}/plain"]) is not sensitive


def test_directories_read_together_are_as_each_alone(folder: Path) -> None:
    names = [*sorted(path.name for path in folder.iterdir()), "missing"]
    resources = [Directory(f"{folder}/{name}") for name in names]
    assert look(*resources) == {each.name: alone(each) for each in resources}


def test_a_file_that_differs_shows_what_was_in_it(folder: Path) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    wanted = File(f"{folder}/plain", "two\n", getpass.getuser(), group)
    state = look(wanted, File(f"{folder}/long", ""))
    assert state[wanted.name]["content"] == "one\n"
    assert len(str(state[f"file {folder}/long"]["content"])) == 65536


def test_a_path_that_the_box_decides_is_read_together_too(folder: Path) -> None:
    """As a unit file's, which depends on the box's service manager."""

    class Elsewhere(File):
        @property
        def place(self) -> str:
            return f'"$(echo {folder}/plain)"'

    file = Elsewhere("plain.service", "")
    assert look(file, File(f"{folder}/empty", ""))["file plain.service"] == alone(file)
    assert alone(file)
