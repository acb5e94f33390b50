"""Shows a deploy: its plan and changes as for any host, and the start's phases as they happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from rich.console import Console

from onecard import layout
from onecard.box.answer import LONGEST_ANSWER_S
from onecard.console import HostConsole
from onecard.job import StepResult
from onecard.phases import PhaseConsole
from onecard.plan import Item, Plan
from onecard.resources.release import Served, program
from onecard.resources.service import Service
from onecard.session import Session
from onecard.trial import Trial

_ROLE = "serve"  # that starts it
_REPLAYED_S = 1.0  # a server that has long been up: its journal comes at once, and is no news
_SPARE_S = 60.0  # for what the box does around the wait


class TrialConsole(HostConsole):
    """A host's console that follows the server's start.

    trial: what the box told of it; None while no start has been tried.
    plan: what differed on the box; None until that is known.
    given: the flags of this deploy, which the advice after a failed start repeats.
    """

    given: tuple[str, ...] = ()

    def __init__(
        self,
        console: Console,
        host: str,
        *,
        usual: Callable[[str, str], float | None] = lambda role, resource: None,
        diff: Literal["changed", "all"] = "changed",
    ) -> None:
        super().__init__(console, host, usual=usual, show_plan=True, diff=diff)
        self.trial: Trial | None = None
        self.plan: Plan | None = None
        self._phases: PhaseConsole | None = None

    def planned(self, plan: Plan) -> None:
        super().planned(plan)
        self.plan = plan

    def begin(self, item: Item) -> None:
        if isinstance(item.resource, Served):
            self._begin_trial(usual_s=self._usual(_ROLE, item.resource.name))
        else:
            super().begin(item)

    def line(self, item: Item, text: str) -> None:
        if isinstance(item.resource, Served) and self.trial is not None:
            self.trial.line(text)
        else:
            super().line(item, text)

    def end(self, result: StepResult) -> None:
        self._end_trial()
        super().end(result)

    def look(self, session: Session, deadline_s: int, *, starts: bool = False) -> Trial:
        """See whether what is installed answers; nothing is started here.

        starts: it was started just now, so that its usual time is what to expect.
        """
        usual = self._usual(_ROLE, Service(layout.UNIT).name) if starts else None
        trial = self._begin_trial(from_s=_REPLAYED_S, usual_s=usual)
        try:
            session.run(
                f"{program('check')} --deadline {deadline_s}",
                on_line=trial.line,
                timeout=deadline_s + LONGEST_ANSWER_S + _SPARE_S,
            )
        finally:
            self._end_trial()
        if not trial.first.answered and not trial.first.reason:
            trial.first.reason = "the box could not say whether its server answers"
        return trial

    def _begin_trial(self, from_s: float = 0.0, *, usual_s: float | None) -> Trial:
        phases = self._phases = PhaseConsole(self._console, self._host, from_s, usual_s)
        self.trial = Trial(phases.event, self._back, self.given)
        return self.trial

    def _end_trial(self) -> None:
        if self._phases is not None:
            self._phases.close()
            self._phases = None

    def _back(self, release: int) -> None:
        self.say(f"no answer; going back to release {release}", "red")
