"""What is shown of a host's changes, and how long they usually take."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from onecard.box import paths as box_paths
from onecard.console.host_console import HostConsole, recap
from onecard.deploy.console import DeployConsole
from onecard.deploy.watch import StartWatch, check_installed
from onecard.engine.host_plan import HostPlan, Item, SkippedItem
from onecard.engine.host_report import HostReport, RoleReport
from onecard.engine.listener import StepResult
from onecard.resources.base import Difference
from onecard.resources.files.file import File
from onecard.resources.skipped import Skipped
from onecard.resources.system.release import Served
from onecard.resources.system.service import Service
from onecard.ssh.login import Connected
from onecard.ssh.shell import Result

TIMES = {"/etc/a": 30.0, "/etc/b": 8.0}


def item(path: str) -> Item:
    return Item("base", File(path, "x"), {}, {"sha256": Difference("sha256", "", "new")})


def told(usual: Callable[[str, str], float | None], *paths: str, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, no_color=True)
    shown = HostConsole(console, "box[red]1", usual=usual)
    plan = HostPlan(tuple(item(path) for path in paths))
    shown.planned(plan)
    for each in plan.changes:
        shown.begin(each)
        shown.line(each, "working [/on it]")
        shown.end(StepResult(each, 0, 1.0))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def usual(role: str, resource: str) -> float | None:
    return next((TIMES[path] for path in TIMES if path in resource), None)


def test_what_changes_usually_take_is_reported_when_all_of_them_are_known() -> None:
    assert "box[red]1  2 of 2 resources to change, usually 38 s\n" in told(
        usual, "/etc/a", "/etc/b"
    )
    assert "1 of 1 resources to change, usually 8 s\n" in told(usual, "/etc/b")
    assert "2 of 2 resources to change\n" in told(usual, "/etc/a", "/etc/c")
    assert "1 of 1 resources to change\n" in told(lambda role, resource: 0.1, "/etc/a")


def test_a_change_that_takes_long_is_reported_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 2000, 20))
    monkeypatch.setattr("onecard.console.host_console.time.monotonic", lambda: float(next(clock)))
    shown = told(usual, "/etc/a", "/etc/c")
    assert " s of usually 30 s: working [/on it]" in shown
    assert "/etc/c 20 s: working [/on it]" in shown


def test_a_terminal_shows_the_time_left_of_a_change() -> None:
    shown = told(usual, "/etc/a", "/etc/c", terminal=True)
    assert "30 s left" in shown


def test_a_start_is_expected_to_take_what_the_last_ones_took() -> None:
    """As the record of a deploy names it, also where no plan does: in a restart."""
    server = Served(Service(box_paths.UNIT), deadline_s=10, back=True)
    times = {("serve", server.name): 31.4}

    def usual(role: str, resource: str) -> float | None:
        return times.get((role, resource))

    def run(script: str, on_line: Callable[[str], None], **others: float) -> Result:
        on_line('@onecard-release {"event": "failed", "release": 1, "reason": "it ended"}')
        return Result("", 1)

    silent = cast(Connected, SimpleNamespace(session=SimpleNamespace(run=run)))
    for is_new in (True, False):
        console = Console(file=io.StringIO(), width=120)
        shown = DeployConsole(console, "box1", usual=usual)
        check_installed(silent, 10, shown, is_new=is_new)
        assert ("starting, usually 31 s" in console.file.getvalue()) is is_new  # type: ignore[attr-defined]
    console = Console(file=io.StringIO(), width=120)
    shown = DeployConsole(console, "box1", usual=usual)
    StartWatch(shown).begin(Item("serve", server, {}, {}))
    assert "starting, usually 31 s" in console.file.getvalue()  # type: ignore[attr-defined]


def test_what_is_skipped_is_one_line_of_the_plan() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120)
    left_out = SkippedItem("base", Skipped("sysctl net.core.somaxconn", "container"))
    plan = HostPlan((), skipped=(left_out,))
    HostConsole(console, "pod1", show_plan=True).planned(plan)
    assert "pod1  0 resources in order, 1 skipped\n" in out.getvalue()
    assert "pod1  base: sysctl net.core.somaxconn  skipped: container\n" in out.getvalue()
    report = HostReport("pod1", roles=[RoleReport("base", ok=3, skipped=1)])
    recap([report], console)
    (head, _, total) = out.getvalue().splitlines()[-3:]
    assert head.split() == [
        "host",
        "role",
        "status",
        "ok",
        "changed",
        "failed",
        "skipped",
        "seconds",
    ]
    assert total.split()[-5:] == ["3", "0", "0", "1", "0.0"]
