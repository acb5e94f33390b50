"""Consoles that note in a record what they are told: facts, changes, starts."""

from __future__ import annotations

from onecard.console import HostConsole
from onecard.deployment import Deployment
from onecard.engine import Reporter
from onecard.facts import Facts
from onecard.job import StepResult
from onecard.runs.record import Record
from onecard.runs.start import start_values
from onecard.trial_console import TrialConsole


class Noted(Reporter):
    """Put before a console among a class's bases. record: where to note; none until it is set."""

    record = Record(None)

    def facts(self, facts: Facts) -> None:
        self.record.facts(facts)
        super().facts(facts)

    def end(self, result: StepResult) -> None:
        self.record.add(
            "step",
            role=result.item.role,
            resource=result.item.resource.name,
            code=result.code,
            elapsed_s=result.seconds,
        )
        super().end(result)


class NotedConsole(Noted, HostConsole):
    """A host's console whose story is kept."""


class NotedTrial(Noted, TrialConsole):
    """A deploy's console whose story is kept."""


def note_deployment(record: Record, done: Deployment) -> None:
    """Add the `start` event of a deploy, and its `failure` with the diagnosis."""
    if done.trial is None:
        return
    start, ctx = done.trial.first, done.host.settings.serve.ctx
    record.add("start", release=start.release, **start_values(ctx, start.tracker, start.seconds))
    if done.error is not None:
        record.exit_code = done.error.exit_code
        record.failure(done.error, diagnosis=start.diagnosis().to_json())
