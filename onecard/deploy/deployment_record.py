"""Writes the result of a deploy into a record."""

from __future__ import annotations

from onecard.deploy.deployment import Deployment
from onecard.records.record import Record
from onecard.records.start import start_values


def note_deployment(record: Record, done: Deployment) -> None:
    """Add the `start` event of a deploy, and its `failure` with the diagnosis."""
    if done.check is None:
        return
    start, ctx = done.check.first, done.host.settings.serve.ctx
    record.add("start", release=start.release, **start_values(ctx, start.tracker, start.seconds))
    if done.error is not None:
        record.exit_code = done.error.exit_code
        record.failure(done.error, diagnosis=start.diagnosis().to_json())
