"""Probes: one for each resource, one for all paths of a kind, each sent once."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.engine.probing import Prober, probes_of
from onecard.errors import ProbeError, UsageError
from onecard.resources.files.file import Directory, File
from onecard.resources.skipped import Skipped
from onecard.ssh.probe_batch import Answer
from tests.support.engine_run import Marker
from tests.support.local_pipe import LocalBox


def test_two_roles_that_want_the_same_thing() -> None:
    with pytest.raises(UsageError, match="two roles both want marker a"):
        probes_of([Marker(Path("/x/a")), Marker(Path("/y/a"))])


def test_what_is_skipped_is_not_asked() -> None:
    assert probes_of([Skipped("sysctl", "container")]) == ()


def test_paths_of_a_kind_are_one_probe() -> None:
    probes = probes_of(
        [
            File("/a", ""),
            Directory("/b"),
            Marker(Path("/m")),
            File("/c", ""),
            Directory("/d"),
            File("/e", "", sensitive=True),
        ]
    )
    assert [[each.name for each in one.resources] for one in probes] == [
        ["marker m"],
        ["file /a", "file /c"],
        ["directory /b", "directory /d"],
        ["file /e"],
    ]


def test_a_probe_is_sent_once(tmp_path: Path) -> None:
    box = LocalBox(tmp_path)
    session = box.session()
    prober = Prober(session)
    probes = probes_of([Marker(tmp_path / "a")])
    assert prober.answers(probes) == {"marker a": Answer("")}
    (tmp_path / "a").touch()
    assert prober.answers(probes) == {"marker a": Answer("")}
    assert prober.answers([]) == {}
    assert session.round_trips == 1
    box.close()


def test_a_thousand_files_are_read_by_as_many_processes_as_ten(tmp_path: Path) -> None:
    """The text that runs is the same; only the list of paths grows."""
    few, many = (
        probes_of([File(f"/f/{number}", "") for number in range(count)]) for count in (10, 1000)
    )
    assert len(few) == len(many) == 1
    assert few[0].text.count("xargs") == many[0].text.count("xargs") == 4


@pytest.mark.parametrize("output", ["", "f\n", "ff\nx\n", "f\na\nb\nc\nZg==\nmore\n"])
def test_an_unexpected_answer_names_a_resource(output: str) -> None:
    (one,) = probes_of([File("/a", "")])
    with pytest.raises(ProbeError, match="file /a: the probe printed unexpected"):
        list(one.split(Answer(output)))
