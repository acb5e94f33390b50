"""The failures of the runs, with their diagnoses, and the list of the runs."""

from __future__ import annotations

import shlex

from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import (
    Block,
    Code,
    Column,
    Paragraph,
    Section,
    Table,
    Tone,
    Verdict,
)
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Evidence
from onecard.report.evidence.provenance import day_and_time

MOST_FAILURES = 20
MOST_RUNS = 40
_TONES = {"done": Tone.GOOD, "failed": Tone.BAD}


def section(evidence: Evidence) -> Section:
    """Return each failure with its cause and fix, newest first; equal ones once."""
    counted: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for failure in evidence.failures:
        found = failure.event.get("diagnosis") or {}
        message, cause = str(failure.event.get("message", "")), str(found.get("cause") or "")
        row = (
            day_and_time(str(failure.event.get("time") or failure.run.time)),
            failure.run.kind,
            message if not cause or cause in message else f"{message}: {cause}",
            found.get("fix"),
            *(Code(found[key]) if found.get(key) else None for key in ("command", "on_box")),
        )
        counted.setdefault((failure.run.kind, message), []).append(row)
    if not counted:
        nothing = Paragraph("No run on record has failed.")
        return Section("failures", "Failures met", (nothing,))
    rows = tuple((*rows[0], len(rows)) for rows in list(counted.values())[:MOST_FAILURES])
    table = Table(
        "failures-table",
        "What went wrong, newest first",
        (
            Column("time", "when"),
            Column("kind", "run"),
            Column("message", "what happened"),
            Column("fix", "fix"),
            Column("command", "type"),
            Column("on_box", "on the box"),
            Column("times", "times", Kind.COUNT),
        ),
        rows,
        f"The newest {MOST_FAILURES} of {len(counted)}." if len(counted) > MOST_FAILURES else "",
    )
    return Section("failures", "Failures met", (table,))


def runs_section(evidence: Evidence) -> Section:
    """Return the runs that this page was made from."""
    newest = tuple(reversed(evidence.runs))[:MOST_RUNS]
    table = Table(
        "runs-table",
        "Recorded runs, newest first",
        (
            Column("time", "begun"),
            Column("kind", "run"),
            Column("status", "ended"),
            Column("seconds", "seconds", Kind.COUNT),
            Column("onecard", "onecard"),
            Column("command", "command"),
        ),
        tuple(
            (
                day_and_time(run.time),
                run.kind,
                Verdict(run.status, _TONES.get(run.status, Tone.QUIET)),
                round(run.seconds),
                run.begin.get("onecard"),
                Code(shlex.join(str(word) for word in run.begin.get("command") or ())),
            )
            for run in newest
        ),
    )
    blocks: list[Block] = [table]
    broken = sum(run.broken for run in evidence.runs)
    if broken:
        blocks.append(
            Paragraph(f"{numbers.count(broken)} broken lines in these records were left out.")
        )
    return Section("runs", "The runs behind this page", tuple(blocks))
