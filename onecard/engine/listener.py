"""The events of a run on one host, and who receives them: a console, a record, a deployment."""

from __future__ import annotations

from dataclasses import dataclass, field

from onecard.engine.host_plan import HostPlan, Item
from onecard.facts import Facts


@dataclass
class StepResult:
    """How one change went. code None: it was not reached. output: the end of what it printed.

    disks: what disk_space.DISK_PROBE printed after it failed.
    """

    item: Item
    code: int | None = None
    seconds: float = 0.0
    output: list[str] = field(default_factory=list)
    disks: str = ""


class EventListener:
    """Receives the events of a run; a method that is not overridden ignores its event."""

    def facts(self, facts: Facts) -> None:
        """Receive the box's facts."""

    def planned(self, plan: HostPlan) -> None:
        """Receive what differs."""

    def begin(self, item: Item) -> None:
        """Receive the start of a change."""

    def line(self, item: Item, text: str) -> None:
        """Receive a line that the change's commands printed."""

    def progress(self, item: Item, share: float, text: str) -> None:
        """Receive how much of a change is done, 0 to 1."""

    def end(self, result: StepResult) -> None:
        """Receive the result of a change."""


class EventListeners(EventListener):
    """Forwards each event to several listeners, in their order."""

    def __init__(self, *listeners: EventListener) -> None:
        self._listeners = listeners

    def facts(self, facts: Facts) -> None:
        for listener in self._listeners:
            listener.facts(facts)

    def planned(self, plan: HostPlan) -> None:
        for listener in self._listeners:
            listener.planned(plan)

    def begin(self, item: Item) -> None:
        for listener in self._listeners:
            listener.begin(item)

    def line(self, item: Item, text: str) -> None:
        for listener in self._listeners:
            listener.line(item, text)

    def progress(self, item: Item, share: float, text: str) -> None:
        for listener in self._listeners:
            listener.progress(item, share, text)

    def end(self, result: StepResult) -> None:
        for listener in self._listeners:
            listener.end(result)
