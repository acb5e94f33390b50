"""The pure plan: probes in, differences out, one job's script, its announcements."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from onecard.engine.host_plan import (
    Item,
    RolePlan,
    StepEvent,
    job_script,
    make_plan,
    read_disks,
    read_event,
)
from onecard.errors import ProbeError
from onecard.resources.base import Differences, Resource, State, diff
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class Thing(Resource):
    label: str
    commands: str = "true"
    wanted: Mapping[str, str] = field(default_factory=lambda: {"there": "yes"})

    @property
    def name(self) -> str:
        return f"thing {self.label}"

    def probe(self) -> str:
        return f"look at {self.label}"

    def read(self, answer: Answer) -> State:
        return {"there": answer.output}

    def desired(self) -> State:
        return self.wanted

    def fix(self, differences: Differences, actual: State) -> str:
        return self.commands


def item(commands: str) -> Item:
    thing = Thing("x", commands)
    return Item("role", thing, {}, diff(thing.desired(), {}))


A, B, C = Thing("a"), Thing("b"), Thing("c")
ROLES = (RolePlan("base", (A, B)), RolePlan("empty", ()), RolePlan("model", (C,)))


def test_a_plan_holds_everything_and_reports_what_differs() -> None:
    plan = make_plan(ROLES, {A.name: Answer("yes"), B.name: Answer("no"), C.name: Answer("yes")})
    assert [(each.role, each.resource) for each in plan.items] == [
        ("base", A),
        ("base", B),
        ("model", C),
    ]
    (change,) = plan.changes
    assert change.resource is B
    assert [str(each) for each in change.differences.values()] == ["there: no -> yes"]


def test_an_answer_that_is_none_ends_the_plan() -> None:
    with pytest.raises(ProbeError, match="thing b"):
        make_plan(ROLES, {A.name: Answer("yes"), B.name: Answer("", 127), C.name: Answer("yes")})


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("@onecard-step begin 3 0", StepEvent("begin", 3, 0)),
        ("@onecard-step end 12 100", StepEvent("end", 12, 100)),
        ("@onecard-stepping", None),
        (" @onecard-step end 0 0", None),
        ("Setting up git ...", None),
        ("", None),
    ],
)
def test_read_event(line: str, event: StepEvent | None) -> None:
    assert read_event(line) == event


def run(*commands: str) -> tuple[list[str], int]:
    """Run the job; return its lines, events as `begin 0`, and its exit code.

    What it tells of the disks after a failure is left out.
    """
    script = job_script([item(each) for each in commands])
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False)
    lines = []
    for line in filter(None, done.stdout.splitlines()):
        if read_disks(line):
            continue
        event = read_event(line)
        lines.append(f"{event.kind} {event.index} {event.code}" if event else line)
    return lines, done.returncode


@pytest.mark.parametrize(
    ("commands", "lines", "code"),
    [
        ([], [], 0),
        (["echo a", "echo b"], ["begin 0 0", "a", "end 0 0", "begin 1 0", "b", "end 1 0"], 0),
        (["echo a; exit 7", "echo b"], ["begin 0 0", "a", "end 0 7"], 7),
        (["false\necho on", "echo b"], ["begin 0 0", "end 0 1"], 1),
        (["printf a"], ["begin 0 0", "a", "end 0 0"], 0),
        (["cat; echo a", "echo b"], ["begin 0 0", "a", "end 0 0", "begin 1 0", "b", "end 1 0"], 0),
        (["x=1; cd /; set +e", "echo ${x-unset}"],
         ["begin 0 0", "end 0 0", "begin 1 0", "unset", "end 1 0"], 0),
        (["cat <<'@end'\n$x\n@end"], ["begin 0 0", "$x", "end 0 0"], 0),
        (["", "echo b # said"], ["begin 0 0", "end 0 0", "begin 1 0", "b", "end 1 0"], 0),
        (["grep -q x /dev/null && echo x\necho on"], ["begin 0 0", "on", "end 0 0"], 0),
    ],
)  # fmt: skip
def test_the_job(commands: list[str], lines: list[str], code: int) -> None:
    assert run(*commands) == (lines, code)
