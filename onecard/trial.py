"""What the box tells while it tries a release: journal lines, and onecard/box/release.py's own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from onecard.box.tell import MARK
from onecard.diagnosis import Diagnosis, advice, diagnose
from onecard.errors import UnhealthyError
from onecard.start import Event, StartTracker


@dataclass
class Start:
    """One start of the server.

    release: its number, None while that is not told. seconds: to the first answer, None without
    one. memory: for each card, {"index", "used_mib" (the most seen), "total_mib"}.
    """

    release: int | None = None
    seconds: float | None = None
    reason: str = ""
    memory: list[dict[str, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    tracker: StartTracker = field(default_factory=StartTracker)

    @property
    def answered(self) -> bool:
        """Tell whether it answered a question."""
        return self.seconds is not None

    def diagnosis(self) -> Diagnosis:
        """Return the first true error of its journal."""
        return diagnose("\n".join(self.lines))


class Trial:
    """Takes in the box's lines; knows the start that was asked for, and the way back, if any.

    on_event: called with what the journal tells of the start's phases.
    on_back: called with the number of the release that is started again in place of a failed one.
    given: the flags that the deploy was given, one word each.
    """

    def __init__(
        self,
        on_event: Callable[[Event], None],
        on_back: Callable[[int], None],
        given: tuple[str, ...] = (),
    ) -> None:
        self.given = given
        self.starts = [Start()]
        self.stopped = False
        self._on_event = on_event
        self._on_back = on_back
        self._began = time.monotonic()

    @property
    def first(self) -> Start:
        """Return the start that was asked for."""
        return self.starts[0]

    @property
    def back_to(self) -> int | None:
        """Return the release that answers again after the first did not."""
        last = self.starts[-1]
        return last.release if len(self.starts) > 1 and last.answered else None

    def line(self, text: str) -> None:
        """Take in one line."""
        if text.startswith(MARK + " "):
            told = json.loads(text.removeprefix(MARK))
            getattr(self, f"_{told.pop('event')}")(**told)
            return
        start = self.starts[-1]
        start.lines.append(text)
        for event in start.tracker.feed(text, time.monotonic() - self._began):
            self._on_event(event)

    def _waiting(self) -> None:
        """Its line alone counts: something came."""

    def _answered(self, release: int, seconds: float, memory: list[dict[str, int]]) -> None:
        start = self.starts[-1]
        start.release, start.seconds, start.memory = release, seconds, memory
        for event in start.tracker.answered(time.monotonic() - self._began):
            self._on_event(event)

    def _failed(self, release: int, reason: str) -> None:
        self.starts[-1].release, self.starts[-1].reason = release, reason

    def _back(self, release: int) -> None:
        self._on_back(release)
        self.starts.append(Start(release))
        self._began = time.monotonic()

    def _stopped(self) -> None:
        self.stopped = True

    def error(self, host: str) -> UnhealthyError:
        """Return what went wrong with the first start, its cause and fix, and what runs now."""
        found = self.first.diagnosis()
        what = f"{host}: release {self.first.release}: {self.first.reason}"
        if found.failure:
            lines = [f"first error: {found.line.strip()}"]
            lines += [line.rstrip() for line in found.context] if found.rule is None else []
            lines += [f"{title}: {text}" for title, text in advice(found, host, self.given)]
            what = f"{what}: {found.cause or 'no rule knows this error'}"
        else:
            lines = [*self.first.lines[-15:]]
            what = f"{what}; the journal names no error"
        return UnhealthyError(what, "\n".join([*lines, self._now()]))

    def _now(self) -> str:
        if self.back_to is not None:
            return f"now: release {self.back_to} serves again, as before"
        if len(self.starts) > 1:
            return f"now: release {self.starts[-1].release} did not start again either; stopped"
        if self.stopped:
            return "now: stopped; its journal: invoke logs"
        return "now: left as it is; its journal: invoke logs; back: invoke rollback"

    def to_json(self) -> dict[str, Any]:
        """Return the outcome for --json."""
        start = self.first
        told: dict[str, Any] = {"release": start.release, "ready_s": start.seconds}
        if not start.answered:
            told |= {
                "reason": start.reason,
                "diagnosis": start.diagnosis().to_json(),
                "back_to": self.back_to,
            }
        return told
