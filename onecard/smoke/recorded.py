"""Record what is measured, the box and its server, and a smoke run's cases and totals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onecard.engine.converge import gather
from onecard.facts import Facts
from onecard.records.facts import read_box_software
from onecard.records.record import Record
from onecard.server.state import ServiceState
from onecard.smoke.case import Case
from onecard.smoke.report import SmokeReport
from onecard.ssh.login import Connected


def note_smoke(record: Record, cases: Sequence[Case], report: SmokeReport, **also: Any) -> None:
    """Add a `case` event for each case, with its picture, then the `smoke` event.

    also: further keys of each event, such as ctx.
    """
    values = report.to_json()
    shown = values.pop("cases")
    for case, result in zip(cases, shown, strict=True):
        record.add("case", **result, picture=record.picture(case.image), **also)
    values.pop("host")
    record.add("smoke", **values, ok=report.ok, steady_s=report.steady_s, **also)


def note_box(record: Record, box: Connected, holder: str | None = None) -> Facts:
    """Add the `facts` event of a box, and return its facts.

    holder: who we are, to take the lock too; None does not. Raises BusyError.
    """
    facts = gather(box.session, holder)
    record.facts(facts, read_box_software(box.session))
    return facts


def note_server(record: Record, state: ServiceState, version: str) -> None:
    """Add the `server` event: the served model, and the command that started the server."""
    record.add(
        "server",
        model=state.model,
        ctx=state.ctx,
        port=state.port,
        vllm=version,
        since=state.since,
        options=state.options,
        words=state.words,
    )
