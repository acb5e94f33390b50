"""The records of a host that the page shows: of each kind of measurement, the newest.

Every value here is returned with its run, so that the page can name the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from onecard.fit import ModelShape
from onecard.records import Run
from onecard.report.evidence.noise import Times

Event = Mapping[str, Any]
_CLOCKS = 1.1


@dataclass(frozen=True)
class SmokeResult:
    """One smoke test: its cases and its totals. server: what was served, as far as recorded."""

    run: Run
    summary: Event
    cases: tuple[Event, ...]
    server: Event

    @property
    def ctx(self) -> int | None:
        """The context length that the server was configured for."""
        return self.summary.get("ctx") or self.server.get("ctx")

    @property
    def model(self) -> str:
        """The name of the model that answered."""
        return str(self.summary.get("model") or self.server.get("model") or "")

    @property
    def times(self) -> Times:
        """Each question's times, seconds; only the median from records without single times."""
        times = {
            f"{case.get('name')}: {case.get('question')}": case.get("latencies_s")
            or [case.get("latency_s")]
            for case in self.cases
        }
        return {name: each for name, each in times.items() if all(each)}

    @property
    def first_tokens(self) -> list[float]:
        """The time to the first token of each request; of older records each case's median."""
        return [
            each
            for case in self.cases
            for each in case.get("ttfts_s") or [case.get("ttft_s")]
            if each is not None
        ]

    @property
    def repeats(self) -> int:
        """How often each question was sent; from the second time on caches may shorten the time."""
        return round(len(self.summary.get("steady_s") or ()) / max(len(self.times), 1))

    @property
    def procedure(self) -> tuple[object, ...]:
        """What two smoke tests must share for their times to be comparable: command and repeats."""
        return self.run.kind, self.repeats

    @property
    def likeness(self) -> tuple[object, ...]:
        """What two smoke tests must share for a difference to be a change of the same server."""
        return *self.procedure, self.model, self.ctx, tuple(sorted(self.times))


@dataclass(frozen=True)
class Start:
    """One start of a server, which answered at its end."""

    run: Run
    event: Event


@dataclass(frozen=True)
class RunFailure:
    """A failure of a run. event: its `failure` event."""

    run: Run
    event: Event


@dataclass(frozen=True)
class Evidence:
    """The records of one host, or of one side of a comparison.

    label: the name of the side. runs: oldest first.
    ctx: only what was measured at this context length; None for all.
    pictures: name in the records -> data URL. shape: the model's, where it is known.
    """

    label: str
    host: str
    runs: tuple[Run, ...]
    ctx: int | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    shape: ModelShape | None = None

    def newest(self, event: str) -> tuple[Run, Event] | None:
        """Return the newest event of a kind, with its run."""
        found = [
            (run, each) for run in self.runs for each in run.all(event) if self.wanted(run, each)
        ]
        return max(found, key=lambda pair: str(pair[1].get("time", "")), default=None)

    @property
    def facts(self) -> Event:
        """The facts of the box, each from the newest run that recorded it; empty without any."""
        known: dict[str, Any] = {}
        for run in self.runs:
            for event in run.all("facts"):
                known.update({key: value for key, value in event.items() if value})
        return known

    @property
    def server(self) -> Event:
        """The server's last `server` event; one of scale only where no other kind of run has one.

        Empty where no run recorded it.
        """
        found = [
            (run.kind != "scale", str(each.get("time", "")), each)
            for run in self.runs
            for each in run.all("server")
            if self.wanted(run, each)
        ]
        return max(found, key=lambda each: each[:2])[2] if found else {}

    @property
    def random_weights(self) -> bool:
        """Whether the server made its weights up: its answers mean nothing."""
        return (self.server.get("options") or {}).get("load-format") == "dummy"

    @property
    def smokes(self) -> tuple[SmokeResult, ...]:
        """Every finished smoke test, oldest first, those within scale too."""
        found = [smoke for run in self.runs for smoke in _smokes(run)]
        wanted = [smoke for smoke in found if self.ctx in (None, smoke.ctx)]
        return tuple(sorted(wanted, key=lambda smoke: str(smoke.summary.get("time", ""))))

    @property
    def smoke(self) -> SmokeResult | None:
        """The newest run of smoke, else the newest smoke test within scale; None without any."""
        alone = [smoke for smoke in self.smokes if smoke.run.kind == "smoke"]
        return next(reversed(alone or self.smokes), None)

    @property
    def start(self) -> Start | None:
        """The newest start with an answer and phases, a deploy's before scale's; None without."""
        starts = [
            Start(run, each)
            for run in self.runs
            for each in run.all("start")
            if _is_a_start(each) and self.wanted(run, each)
        ]
        deployed = [start for start in starts if start.run.kind == "deploy"]
        return next(reversed(deployed or starts), None)

    @property
    def scale(self) -> tuple[Run, tuple[Event, ...]] | None:
        """The newest run of scale with a finished context, and its rows by context length."""
        for run in reversed(self.runs):
            rows = {row.get("ctx"): row for row in run.all("row") if self.wanted(run, row)}
            if rows:
                return run, tuple(rows[ctx] for ctx in sorted(rows, key=lambda ctx: ctx or 0))
        return None

    def latest(self, kind: str, event: str) -> Run | None:
        """Return the newest run of a kind with an event, at context length `ctx`; None without."""
        for run in reversed(self.runs):
            if run.kind == kind and run.all(event) and self.wanted(run, run.last("server") or {}):
                return run
        return None

    @property
    def measured(self) -> tuple[Run, ...]:
        """The runs that the page's figures come from: of each kind, the newest."""
        runs = (
            self.smoke.run if self.smoke else None,
            self.start.run if self.start else None,
            self.scale[0] if self.scale else None,
            self.latest("stress", "cell"),
            self.latest("bench", "load"),
            self.latest("certify", "certificate"),
            self.latest("cache", "cache"),
            self.latest("soak", "soak"),
            self.latest("tune", "tune"),
        )
        return tuple(run for run in runs if run is not None)

    @property
    def failures(self) -> tuple[RunFailure, ...]:
        """Everything that failed, newest first."""
        found = [RunFailure(run, event) for run in self.runs for event in run.all("failure")]
        return tuple(reversed(found))

    def wanted(self, run: Run, event: Event) -> bool:
        """Return whether an event belongs to this side: whether it has the context length `ctx`."""
        if self.ctx is None:
            return True
        ctx = event.get("ctx") or (run.last("server") or {}).get("ctx")
        return ctx in (None, self.ctx)


def _is_a_start(event: Event) -> bool:
    """Return whether a server started in this run and answered.

    A deploy that restarts nothing records the phases of the start before it, and the time of its
    own question: then a phase begins later than the answer. It does by a little
    in a true start too: the phases' clock is this computer's, which begins before the box's.
    """
    answered = event.get("answered_s")
    began = [phase.get("began_s") or 0.0 for phase in event.get("phases") or ()]
    return answered is not None and bool(began) and answered * _CLOCKS >= max(began)


def _smokes(run: Run) -> Iterator[SmokeResult]:
    """Yield the smoke tests of a run: each `smoke` event with the cases before it."""
    cases: list[Event] = []
    server: Event = {}
    for event in run.events:
        kind = event.get("event")
        if kind == "server":
            server = event
        elif kind == "context":
            cases = []
        elif kind == "case":
            cases.append(event)
        elif kind == "smoke":
            yield SmokeResult(run, event, tuple(cases), server)
            cases = []
