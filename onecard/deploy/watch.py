"""Runs startup checks: within a job that starts a release, or on what is installed."""

from __future__ import annotations

from onecard.box.answer import LONGEST_ANSWER_S
from onecard.deploy.start_display import StartDisplay
from onecard.deploy.startup_check import StartupCheck
from onecard.engine.host_plan import HostPlan, Item
from onecard.engine.listener import EventListener, StepResult
from onecard.resources.system.release import Served, program
from onecard.server.health import health_trouble
from onecard.ssh.login import Connected

_REPLAYED_S = 1.0  # a server that has long been up: its journal comes at once, and is not shown
_SPARE_S = 60.0  # for what the box does before and after the wait


class StartWatch(EventListener):
    """Follows the job's step that starts the server.

    check: the startup check; None while no start has begun. plan: what differs on the box; None
    until that is known. ended: whether the step's commands ended.
    """

    def __init__(self, display: StartDisplay, given: tuple[str, ...] = ()) -> None:
        self.check: StartupCheck | None = None
        self.plan: HostPlan | None = None
        self.ended = False
        self._display, self._given = display, given

    def planned(self, plan: HostPlan) -> None:
        self.plan = plan

    def begin(self, item: Item) -> None:
        if isinstance(item.resource, Served):
            self._display.start_begins(from_s=0.0, is_new=True)
            self.check = _new_check(self._display, self._given)

    def line(self, item: Item, text: str) -> None:
        if isinstance(item.resource, Served) and self.check is not None:
            self.check.line(text)

    def end(self, result: StepResult) -> None:
        if isinstance(result.item.resource, Served):
            self._display.start_ends()
            self.ended = True


def check_installed(
    box: Connected,
    deadline_s: int,
    display: StartDisplay,
    *,
    is_new: bool = False,
    given: tuple[str, ...] = (),
) -> StartupCheck:
    """Run the startup check of the release that is installed; nothing is started or stopped.

    is_new: the server was started just now.
    """
    display.start_begins(from_s=_REPLAYED_S, is_new=is_new)
    check = _new_check(display, given)
    try:
        done = box.session.run(
            f"{program('check')} --deadline {deadline_s}",
            on_line=check.line,
            timeout=deadline_s + LONGEST_ANSWER_S + _SPARE_S,
        )
    finally:
        display.start_ends()
    if not check.reported:
        trouble = health_trouble(box)
        check.note_failure(
            f"its check on the box ended with code {done.code} and without a verdict; "
            f"checked again, {f'/health: {trouble}' if trouble else '/health answers'}"
        )
    return check


def _new_check(display: StartDisplay, given: tuple[str, ...]) -> StartupCheck:
    def back(release: int) -> None:
        display.say(f"going back to release {release}", "red")

    return StartupCheck(display.start_event, back, given)
