"""A server's start as a `start` event: its phases and what its log told of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any

from onecard.runs.record import Record
from onecard.start import Event, EventKind, MemoryFacts, Phase, StartTracker

if TYPE_CHECKING:
    from onecard.ready import Ready


class StartLog:
    """Notes one start, answered or failed, while passing its events on.

    with StartLog(record, ctx, show) as start:
        start.answered(wait_until_ready(..., on_event=start.event))
    """

    def __init__(self, record: Record, ctx: int, show: Callable[[Event], None]) -> None:
        self._record, self._ctx, self._show = record, ctx, show
        self._events: list[Event] = []

    def __enter__(self) -> StartLog:
        return self

    def event(self, event: Event) -> None:
        """Keep an event of the tracker and pass it on."""
        self._events.append(event)
        self._show(event)

    def answered(self, ready: Ready) -> Ready:
        """Note a start that was answered."""
        self._record.add("start", **start_values(self._ctx, ready.tracker, ready.seconds))
        return ready

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._record.add("start", **failed_start(self._ctx, self._events))


def failed_start(ctx: int, events: Sequence[Event]) -> dict[str, Any]:
    """Return the values of a start that ended without an answer."""
    return {
        "ctx": ctx,
        "answered_s": None,
        "phases": phases_of_events(events),
        "memory": _facts_of_events(events),
    }


def start_values(ctx: int, tracker: StartTracker, seconds: float) -> dict[str, Any]:
    """Return the values of a start that was answered after `seconds`."""
    return {
        "ctx": ctx,
        "answered_s": seconds,
        "phases": [
            {"phase": state.phase.title, "began_s": state.started, "seconds": state.seconds}
            for state in tracker.phases
            if state.started is not None
        ],
        "memory": asdict(tracker.facts),
    }


def phases_of_events(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the phases that began; each ends where the next one begins, or with the last event."""
    begins = [(Phase.PROCESS, 0.0)]
    begins += [(event.phase, event.at) for event in events if event.kind is EventKind.PHASE]
    ends = [at for _, at in begins[1:]] + [events[-1].at if events else 0.0]
    return [
        {"phase": phase.title, "began_s": began, "seconds": end - began}
        for (phase, began), end in zip(begins, ends, strict=True)
    ]


def _facts_of_events(events: Sequence[Event]) -> dict[str, Any]:
    """Return the facts that were told, numbers as numbers."""
    told = dict(event.text.partition("=")[::2] for event in events if event.kind is EventKind.FACT)
    blank = asdict(MemoryFacts())
    return {name: _number(text) for name, text in told.items() if name in blank}


def _number(text: str) -> float | str | bool:
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text)
    except ValueError:
        return text
