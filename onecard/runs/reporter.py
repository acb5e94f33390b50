"""Passes a run's progress on to what shows it, and into its record."""

from __future__ import annotations

from onecard.engine import Reporter
from onecard.facts import Facts
from onecard.job import StepResult
from onecard.plan import Item, Plan
from onecard.runs.record import Record


class Noting(Reporter):
    """A reporter that notes facts and changes in a record beside telling them to another."""

    def __init__(self, record: Record, shown: Reporter) -> None:
        self._record, self._shown = record, shown

    def facts(self, facts: Facts) -> None:
        self._record.facts(facts)
        self._shown.facts(facts)

    def planned(self, plan: Plan) -> None:
        self._shown.planned(plan)

    def begin(self, item: Item) -> None:
        self._shown.begin(item)

    def line(self, item: Item, text: str) -> None:
        self._shown.line(item, text)

    def end(self, result: StepResult) -> None:
        self._record.add(
            "step",
            role=result.item.role,
            resource=result.item.resource.name,
            code=result.code,
            elapsed_s=result.seconds,
        )
        self._shown.end(result)
