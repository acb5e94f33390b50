"""The startup check of a release, from the lines that the box prints while it runs.

They are lines of the server's journal and frames of onecard/box/release.py's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from onecard.deploy.startup_frames import (
    Answered,
    Back,
    Failed,
    JournalLine,
    Past,
    Stopped,
    Waiting,
    read_frame,
)
from onecard.diagnosis import Diagnosis, advice, diagnose
from onecard.errors import UnhealthyError
from onecard.startup_log import Event, StartTracker


@dataclass
class StartAttempt:
    """One start of the server.

    release: its number, None while it is unknown. seconds: to the first answer, None without one.
    memory: for each card, {"index", "used_mib" (the peak), "total_mib"}. already: it was running
    before.
    """

    release: int | None = None
    seconds: float | None = None
    reason: str = ""
    already: bool = False
    memory: list[dict[str, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    tracker: StartTracker = field(default_factory=StartTracker)

    @property
    def answered(self) -> bool:
        """Return whether it answered a request."""
        return self.seconds is not None

    def diagnosis(self) -> Diagnosis:
        """Return the first error of its journal; without lines, of the reason of the failure."""
        return diagnose("\n".join(self.lines) or self.reason)


class StartupCheck:
    """The result so far: the start that was requested and, after a failure, the rollback's.

    on_event: called with each phase that the journal shows.
    on_back: called with the number of the release that replaces a failed one.
    given: the flags of the deploy, one word each, which the advice repeats.
    reported: whether the box reported the result of a start. stopped: nothing runs now. retried:
    the service manager starts the server again.
    """

    def __init__(
        self,
        on_event: Callable[[Event], None],
        on_back: Callable[[int], None],
        given: tuple[str, ...] = (),
    ) -> None:
        self.given = given
        self.starts = [StartAttempt()]
        self.reported = False
        self.stopped = False
        self.retried = False
        self._on_event = on_event
        self._on_back = on_back
        self._began = time.monotonic()

    @property
    def first(self) -> StartAttempt:
        """Return the start that was requested."""
        return self.starts[0]

    @property
    def back_to(self) -> int | None:
        """Return the release that a rollback brought back; None without one."""
        last = self.starts[-1]
        return last.release if len(self.starts) > 1 and last.answered else None

    def line(self, text: str) -> None:
        """Process one line of the box's output: a frame (onecard/box/tell.py), or a bare line."""
        frame = read_frame(text)
        match frame:
            case JournalLine(line=line):
                self._log(line)
            case Past(past=line):
                self.starts[-1].tracker.feed(line, self._now())
            case Answered():
                start, self.reported = self.starts[-1], True
                start.release, start.seconds = frame.release, frame.seconds
                start.memory, start.already = frame.memory, frame.already
                self._show(start.tracker.answered(self._now()))
            case Failed(release=release, reason=reason):
                start, self.reported = self.starts[-1], True
                start.release, start.reason = release or None, reason
            case Back(release=release):
                self._on_back(release)
                self.starts.append(StartAttempt(release))
                self._began = time.monotonic()
            case Stopped():
                self.stopped = True
            case Waiting():
                """Proof that the connection is alive; nothing to record."""
            case None:
                self._log(text)

    def note_failure(self, reason: str) -> None:
        """Note why the first start failed where the box did not report it."""
        self.first.reason = reason

    def note_stopped(self) -> None:
        """Note that nothing runs now."""
        self.stopped = True

    def note_retry(self) -> None:
        """Note that the service manager starts the server again."""
        self.retried = True

    def _log(self, text: str) -> None:
        """Process a line of the journal. A progress bar writes many states into one line."""
        start = self.starts[-1]
        start.lines.append(text.rpartition("\r")[2])
        self._show(start.tracker.feed(text, self._now()))

    def _show(self, events: Iterable[Event]) -> None:
        for event in events:
            self._on_event(event)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def error(self, host: str) -> UnhealthyError | None:
        """Return why the first start failed, its cause and fix, and what runs now.

        None when it answered.
        """
        if self.first.answered:
            return None
        found = self.first.diagnosis()
        which = f"release {self.first.release}: " if self.first.release else ""
        what = f"{host}: {which}{self.first.reason}"
        if found.failure:
            lines = [f"first error: {found.line.strip()}"]
            lines += [line.rstrip() for line in found.context] if found.rule is None else []
            lines += [f"{title}: {text}" for title, text in advice(found, host, self.given)]
            what = f"{what}: {found.cause or 'no rule knows this error'}"
        else:
            lines = [*self.first.lines[-15:]]
            what = f"{what}; the journal names no error"
        return UnhealthyError(what, "\n".join([*lines, self._outcome()]))

    def _outcome(self) -> str:
        if self.back_to is not None:
            how = "still serves" if self.starts[-1].already else "serves again"
            return f"now: release {self.back_to} {how}, as before"
        if len(self.starts) > 1:
            last = self.starts[-1]
            reason = last.reason or "it reported nothing"
            now = "stopped; then: invoke start" if self.stopped else "left as it is: invoke status"
            return f"now: release {last.release} does not serve again either: {reason}; {now}"
        if self.stopped:
            return "now: stopped; its journal: invoke logs"
        if self.retried:
            return "now: it is being started again; its state: invoke status"
        return "now: left as it is; its journal: invoke logs; back: invoke rollback"

    def to_json(self) -> dict[str, Any]:
        """Return the outcome for --json."""
        start = self.first
        values: dict[str, Any] = {"release": start.release, "ready_s": start.seconds}
        if not start.answered:
            values |= {
                "reason": start.reason,
                "diagnosis": start.diagnosis().to_json(),
                "back_to": self.back_to,
            }
        return values
