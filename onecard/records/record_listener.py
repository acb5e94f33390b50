"""Writes the events of a run on a host into its record."""

from __future__ import annotations

from onecard.engine.listener import EventListener, StepResult
from onecard.facts import Facts
from onecard.records.record import Record


class RecordListener(EventListener):
    """Writes the facts and each change."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def facts(self, facts: Facts) -> None:
        self._record.facts(facts)

    def end(self, result: StepResult) -> None:
        self._record.add(
            "step",
            role=result.item.role,
            resource=result.item.resource.name,
            code=result.code,
            elapsed_s=result.seconds,
        )
