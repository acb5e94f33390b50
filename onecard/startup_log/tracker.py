"""Follow a server's start through its log, line by line."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum

from onecard.startup_log import phase as words
from onecard.startup_log.death import is_death
from onecard.startup_log.line import LogLine, read_line, states
from onecard.startup_log.memory import MemoryFacts, learn
from onecard.startup_log.phase import ONCE, ORDER, Phase, PhaseState
from onecard.startup_log.progress import Progress, read_progress

_YEAR = 366 * 86400.0


class EventKind(Enum):
    """The kinds of events."""

    PHASE = "phase"  # another phase has begun
    PROGRESS = "progress"  # the bar of the current phase has moved
    FACT = "fact"  # a fact is new or has changed
    READY = "ready"  # the API answers; no request has been answered yet
    ANSWERED = "answered"  # a request has been answered: the start is complete
    DEAD = "dead"  # the server will not come up
    RESTARTED = "restarted"  # another process has begun after one that died


@dataclass(frozen=True)
class Event:
    """One event in the log.

    at: seconds on the tracker's clock.
    phase: the current phase.
    fraction: progress from 0 to 1, for PROGRESS; else None.
    text: the bar's label, the fact as `name=value`, or the line that shows the death.
    """

    kind: EventKind
    at: float
    phase: Phase
    text: str = ""
    fraction: float | None = None


class StartTracker:
    """The state of one server's start.

    Pass every line of the server's log to `feed`, in order. The clock is the caller's if `feed` is
    given a time, else vLLM's own time stamps, counted from the first; a line without either has the
    time of the previous line.
    """

    def __init__(self) -> None:
        self.facts = MemoryFacts()
        self.ready = False
        self.answered_at: float | None = None
        self.death: str | None = None
        self.restarts = 0
        self._now = 0.0
        self._begin()

    def _begin(self) -> None:
        self._states = {phase: PhaseState(phase) for phase in ORDER}
        self._current = Phase.PROCESS
        self._since: float | None = None
        self._worker = ""
        self._shutting_down = False
        self._offset: float | None = None

    @property
    def phases(self) -> tuple[PhaseState, ...]:
        """Return all phases in order, started or not."""
        return tuple(self._with_current_seconds(self._states[phase]) for phase in ORDER)

    @property
    def current(self) -> PhaseState:
        """Return the current phase."""
        return self._with_current_seconds(self._states[self._current])

    @property
    def alive(self) -> bool:
        """Return whether no line has shown the server's death."""
        return self.death is None

    def feed(self, line: str, at: float | None = None) -> tuple[Event, ...]:
        """Parse one line of the log; return its events. Never raises, whatever the line holds.

        line: with or without its line end, journal or process prefix and terminal colours.
        at: seconds since the start on the caller's clock; None to use the log's.
        """
        events: list[Event] = []
        prefix = None
        for raw in states(line):
            piece = read_line(raw)
            # The first state of a bar has the prefix of all those that follow in the line.
            prefix = piece if prefix is None else prefix
            if not piece.process:
                piece = replace(piece, process=prefix.process, pid=prefix.pid)
            self._tick(piece, at)
            self._take(piece, events)
        return tuple(events)

    def answered(self, at: float | None = None) -> tuple[Event, ...]:
        """Record that the server has answered a request, even if its log does not show it."""
        if at is not None:
            self._now = max(self._now, at)
        events: list[Event] = []
        self._answer(events)
        return tuple(events)

    def _tick(self, line: LogLine, at: float | None) -> None:
        if at is not None:
            self._now = max(self._now, at)
        elif line.clock is not None:
            if self._offset is None:
                self._offset = line.clock - self._now
            stamp = line.clock - self._offset
            if stamp < -_YEAR / 2:
                stamp += _YEAR
            self._now = max(self._now, stamp)
        if self._since is None:
            # The caller's clock began with the start, before the first line: imports come first.
            self._since = self._now if at is None else 0.0
            self._states[Phase.PROCESS] = PhaseState(Phase.PROCESS, started=self._since)

    def _take(self, line: LogLine, events: list[Event]) -> None:
        message = line.message
        if self._is_new_process(line):
            self._start_over(events)
        if self._is_shutdown(line):
            self._shutting_down = True
        if line.level not in ("ERROR", "CRITICAL"):
            self._learn(message, events)
            self._advance(line, events)
            self._progress(read_progress(message), events)
        if not self._shutting_down and self.death is None and is_death(line):
            self.death = message.strip()
            self._add_event(events, EventKind.DEAD, self.death)

    def _is_new_process(self, line: LogLine) -> bool:
        if any(text in line.message for text in words.NEW_PROCESS):
            return self._shutting_down or self.death is not None or self.ready
        return line.program == "systemd" and line.message.startswith(words.STARTING_SYSTEMD)

    def _is_shutdown(self, line: LogLine) -> bool:
        if line.program == "systemd":
            return line.message.startswith(words.SHUTDOWN_SYSTEMD)
        return line.level != "ERROR" and any(text in line.message for text in words.SHUTDOWN)

    def _start_over(self, events: list[Event]) -> None:
        died, begun = self.death is not None, self._since is not None
        if died:
            self.restarts += 1
            self._add_event(events, EventKind.RESTARTED)
        if died or self._shutting_down or self.ready or not begun:
            self.facts, self.ready, self.answered_at, self.death = MemoryFacts(), False, None, None
            self._begin()
            self._since = self._now
            self._states[Phase.PROCESS] = PhaseState(Phase.PROCESS, started=self._now)

    def _learn(self, message: str, events: list[Event]) -> None:
        before = self.facts
        self.facts = learn(before, message)
        if self.facts is before:
            return
        for field in fields(MemoryFacts):
            value = getattr(self.facts, field.name)
            if value != getattr(before, field.name):
                self._add_event(events, EventKind.FACT, f"{field.name}={value}")

    def _advance(self, line: LogLine, events: list[Event]) -> None:
        message = line.message
        if "orker" in line.process and not self._is_first_worker(line):
            return
        if any(text in message for text in words.WEIGHTS_DONE):
            if self._states[Phase.WEIGHTS].started is not None:
                self._enter(Phase.PROFILE if self.facts.eager else Phase.COMPILE, events)
            return
        for text, phase in words.BEGINS:
            if text in message:
                self._enter(phase, events)
                if text == words.READY and not self.ready:
                    self.ready = True
                    self._add_event(events, EventKind.READY)
                return
        if any(text in message for text in words.ANSWERED):
            self._answer(events)

    def _is_first_worker(self, line: LogLine) -> bool:
        """Return whether the line is of the first worker: all workers log the same lines."""
        self._worker = self._worker or line.pid
        return line.pid == self._worker

    def _progress(self, progress: Progress | None, events: list[Event]) -> None:
        if progress is None:
            return
        for text, phase in words.BARS:
            if text in progress.label:
                self._enter(phase, events)
                if self._current is not phase:
                    return
                break
        state = self._states[self._current]
        moved = (progress.fraction, progress.label, progress.count)
        if moved != (state.fraction, state.label, state.count):
            self._states[self._current] = replace(
                state, fraction=progress.fraction, label=progress.label, count=progress.count
            )
            self._add_event(events, EventKind.PROGRESS, progress.label, progress.fraction)

    def _answer(self, events: list[Event]) -> None:
        if self.answered_at is not None:
            return
        self._enter(Phase.ANSWER, events)
        self.answered_at = self._now
        self._leave()
        self._add_event(events, EventKind.ANSWERED)

    def _enter(self, phase: Phase, events: list[Event]) -> None:
        if phase is self._current or self.answered_at is not None:
            return
        position, here = ORDER.index(phase), ORDER.index(self._current)
        if position < here and (phase in ONCE or self._current in ONCE):
            return
        self._leave()
        state = self._states[phase]
        self._states[phase] = replace(
            state, started=self._now if state.started is None else state.started, ended=None
        )
        self._current, self._since = phase, self._now
        self._add_event(events, EventKind.PHASE, phase.title)

    def _leave(self) -> None:
        self._states[self._current] = replace(self.current, ended=self._now)

    def _with_current_seconds(self, state: PhaseState) -> PhaseState:
        """Return `state`; for the current phase, with its seconds up to now."""
        if state.phase is not self._current or state.ended is not None or self._since is None:
            return state
        return replace(state, seconds=state.seconds + self._now - self._since)

    def _add_event(
        self, events: list[Event], kind: EventKind, text: str = "", fraction: float | None = None
    ) -> None:
        events.append(Event(kind, self._now, self._current, text, fraction))
