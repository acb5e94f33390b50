"""One round trip where the box is as the last run found it, and never a decision from the cache."""

from __future__ import annotations

import getpass
import grp
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from onecard.engine.converge import converge
from onecard.engine.facts_cache import FactsCache
from onecard.engine.first_requests import first_requests
from onecard.engine.host_plan import HostPlan, RolePlan
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListener
from onecard.facts import PROBES
from onecard.resources.base import Resource
from onecard.resources.files.file import File
from tests.support.engine_run import FACTS, HOST, Marker
from tests.support.local_pipe import LocalBox


class Box:
    """One box, and runs of one role against it; `wanted` is what the role wants, by the facts."""

    def __init__(self, folder: Path) -> None:
        (folder / "box").mkdir()
        self.local = LocalBox(folder / "box", FACTS)
        self.path = folder / "facts.json"
        self.report = HostReport(HOST.name)

    def run(self, *wanted: Resource) -> HostPlan:
        return self.run_by_facts(lambda host, facts: [RolePlan("role", wanted)])

    def run_by_facts(self, roles: object) -> HostPlan:
        self.report, cache = HostReport(HOST.name), FactsCache(self.path)
        first = first_requests("ann", cache.expected) if cache.expected else ()
        try:
            return converge(
                self.local.session(first=first),
                HOST,
                roles,  # type: ignore[arg-type]
                listener=EventListener(),
                report=self.report,
                holder="ann",
                cache=cache,
            )
        finally:
            self.local.close()

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.local.pipes[-1].requests]

    @property
    def early(self) -> list[str]:
        """Return the verbs of what went with the login command."""
        return [verb for verb, _ in self.local.pipes[-1].early]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    box.local.close()


@pytest.fixture
def markers(tmp_path: Path) -> tuple[Marker, Marker]:
    for name in "ab":
        (tmp_path / name).touch()
    return Marker(tmp_path / "a"), Marker(tmp_path / "b")


def test_a_box_in_order_takes_one_round_trip_from_the_second_run_on(
    box: Box, markers: tuple[Marker, Marker]
) -> None:
    box.run(*markers)
    assert (box.report.round_trips, box.verbs) == (2, ["lock", "run", "run"])
    assert box.early == []
    plan = box.run(*markers)
    assert (box.report.round_trips, box.early, box.verbs) == (1, ["lock", "run"], [])
    assert ([item.resource for item in plan.items], plan.changes) == ([*markers], ())
    assert box.report.status == "ok"


def test_what_has_changed_is_found_and_repaired_with_two_round_trips_more(
    box: Box, markers: tuple[Marker, Marker]
) -> None:
    box.run(*markers)
    markers[1].path.unlink()
    plan = box.run(*markers)
    assert [item.resource for item in plan.changes] == [markers[1]]
    assert (box.report.round_trips, box.report.changed) == (3, 1)


def test_probes_that_are_not_expected_cost_one_round_trip_for_what_is_missing(
    box: Box, markers: tuple[Marker, Marker]
) -> None:
    box.run(markers[0])
    plan = box.run(*markers)
    assert len(plan.items) == 2
    assert (box.report.round_trips, box.early, box.verbs) == (2, ["lock", "run"], ["run"])
    (_, early), (_, late) = box.local.pipes[-1].early[1], box.local.pipes[-1].requests[0]
    assert (early.count(str(markers[0].path)), early.count(str(markers[1].path))) == (1, 0)
    assert (late.count(str(markers[0].path)), late.count(str(markers[1].path))) == (0, 1)
    box.run(*markers)  # and they were remembered
    assert box.report.round_trips == 1


def test_a_probe_too_many_does_no_harm(box: Box, markers: tuple[Marker, Marker]) -> None:
    box.run(*markers)
    plan = box.run(markers[0])
    assert [item.resource for item in plan.items] == [markers[0]]
    assert box.report.round_trips == 1
    box.run(markers[0])
    assert str(markers[1].path) not in box.local.pipes[-1].early[1][1]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[]",
        '{"probes": "of another version", "answers": {}}',
        lambda known: json.dumps({**known, "probes": "x"}),
        lambda known: json.dumps({**known, "expected": [5]}),
        lambda known: json.dumps({**known, "expected": None}),
    ],
)
def test_a_broken_cache_is_none(box: Box, markers: tuple[Marker, Marker], broken: object) -> None:
    box.run(*markers)
    known = json.loads(box.path.read_text())
    text = broken(known) if callable(broken) else str(broken)
    box.path.write_text(text)
    box.run(*markers)
    assert (box.report.round_trips, box.report.status) == (2, "ok")
    box.run(*markers)
    assert box.report.round_trips == 1


@pytest.mark.parametrize("answers", [{}, dict.fromkeys(PROBES, "x"), None])
def test_broken_facts_are_none(box: Box, markers: tuple[Marker, Marker], answers: object) -> None:
    box.run(*markers)
    assert FactsCache(box.path).load() is not None
    known = json.loads(box.path.read_text())
    box.path.write_text(json.dumps({**known, "answers": answers}))
    assert FactsCache(box.path).load() is None


def test_the_cache_is_the_users_alone(box: Box, markers: tuple[Marker, Marker]) -> None:
    box.run(*markers)
    assert box.path.stat().st_mode & 0o077 == 0
    assert list(box.path.parent.glob("facts*")) == [box.path]


def test_what_a_converged_run_costs_the_link_and_the_box(box: Box, tmp_path: Path) -> None:
    """Counted, not timed: messages, bytes, and a thousand files as cheap as ten but for their paths."""
    sent = {}
    for count in (10, 1000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / str(number)).write_text("x")
        owner = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getegid()).gr_name}
        files = [File(f"{folder}/{number}", "x", mode=0o644, **owner) for number in range(count)]
        box.run(*files)
        box.run(*files)
        assert (box.report.round_trips, box.report.changed, box.report.ok) == (1, 0, count)
        ((_, _), (_, script)) = box.local.pipes[-1].early
        sent[count] = len(script)
    assert sent[10] < 24_000
    paths = sum(len(f"{tmp_path}/1000/{number}") + 1 for number in range(1000))
    assert sent[1000] - sent[10] < 1.1 * paths
