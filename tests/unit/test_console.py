"""What is told of a host's changes, and how long they usually take."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from onecard import layout
from onecard.console import HostConsole
from onecard.job import StepResult
from onecard.plan import Item, Plan
from onecard.resources.base import Difference
from onecard.resources.files import File
from onecard.resources.release import Served
from onecard.resources.service import Service
from onecard.session import Session
from onecard.trial_console import TrialConsole

TIMES = {"/etc/a": 30.0, "/etc/b": 8.0}


def item(path: str) -> Item:
    return Item("base", File(path, "x"), {}, {"sha256": Difference("sha256", "", "new")})


def told(usual: Callable[[str, str], float | None], *paths: str, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, no_color=True)
    shown = HostConsole(console, "box[red]1", usual=usual)
    plan = Plan(tuple(item(path) for path in paths))
    shown.planned(plan)
    for each in plan.changes:
        shown.begin(each)
        shown.line(each, "working [/on it]")
        shown.end(StepResult(each, 0, 1.0))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def usual(role: str, resource: str) -> float | None:
    return next((TIMES[path] for path in TIMES if path in resource), None)


def test_what_changes_usually_take_is_told_when_all_of_them_are_known() -> None:
    assert "box[red]1  2 of 2 resources to change, usually 38 s\n" in told(
        usual, "/etc/a", "/etc/b"
    )
    assert "1 of 1 resources to change, usually 8 s\n" in told(usual, "/etc/b")
    assert "2 of 2 resources to change\n" in told(usual, "/etc/a", "/etc/c")
    assert "1 of 1 resources to change\n" in told(lambda role, resource: 0.1, "/etc/a")


def test_a_change_that_takes_long_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 2000, 20))
    monkeypatch.setattr("onecard.console.time.monotonic", lambda: float(next(clock)))
    shown = told(usual, "/etc/a", "/etc/c")
    assert " s of usually 30 s: working [/on it]" in shown
    assert "/etc/c 20 s: working [/on it]" in shown


def test_a_terminal_shows_the_time_left_of_a_change() -> None:
    shown = told(usual, "/etc/a", "/etc/c", terminal=True)
    assert "30 s left" in shown


def test_a_start_is_expected_to_take_what_the_last_ones_took() -> None:
    """As the record of a deploy names it, also where no plan does: in a restart."""
    server = Served(Service(layout.UNIT), deadline_s=10, back=True)
    times = {("serve", server.name): 31.4}

    def usual(role: str, resource: str) -> float | None:
        return times.get((role, resource))

    silent = cast(Session, SimpleNamespace(run=lambda script, **others: None))
    for starts in (True, False):
        console = Console(file=io.StringIO(), width=120)
        shown = TrialConsole(console, "box1", usual=usual)
        shown.look(silent, 10, starts=starts)
        assert ("starting, usually 31 s" in console.file.getvalue()) is starts  # type: ignore[attr-defined]
    console = Console(file=io.StringIO(), width=120)
    shown = TrialConsole(console, "box1", usual=usual)
    shown.begin(Item("serve", server, {}, {}))
    assert "starting, usually 31 s" in console.file.getvalue()  # type: ignore[attr-defined]
