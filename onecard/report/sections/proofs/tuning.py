"""Which settings serve more requests within a goal, measured by `invoke tune`."""

from __future__ import annotations

from collections.abc import Iterator

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Block, Column, Paragraph, Section, Table, Warn
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import source


def section(evidence: Evidence) -> Section | None:
    """Return the result and a row for each trial; None where nothing was tuned."""
    run = evidence.latest("tune", "tune")
    if run is None:
        return None
    found: Event = run.last("tune") or {}
    line = str(found.get("line", ""))
    blocks: list[Block] = [Paragraph(f"{line[:1].upper()}{line[1:]}."), *_settings(found)]
    if run.all("trial"):
        blocks.append(_trials(run, found))
    return Section("tuning", "Settings that were tried", tuple(blocks))


def _settings(found: Event) -> Iterator[Block]:
    settings: Event = found.get("settings") or {}
    if settings:
        words = ", ".join(f"{name}: {value}" for name, value in settings.items())
        yield Paragraph(f"To set under serve: {words}.")
    if found.get("trouble"):
        yield Warn(f"The release that ran before does not run again: {found['trouble']}.")


def _trials(run: Run, found: Event) -> Table:
    return Table(
        "tuning-trials",
        "Requests/s of each trial as a ratio to the best before it",
        (
            Column("title", "trial"),
            Column("outcome", "outcome"),
            Column("value", "ratio", Kind.RATIO, "ratio"),
            Column("low", "95 % from", Kind.RATIO, "ratio"),
            Column("high", "to", Kind.RATIO, "ratio"),
            Column("reason", "why"),
        ),
        tuple(
            (
                trial.get("title"),
                trial.get("outcome"),
                *((trial.get("gain") or {}).get(key) for key in ("value", "low", "high")),
                trial.get("reason"),
            )
            for trial in run.all("trial")
        ),
        "The same requests in turn on each server; the 95 % intervals hold together. "
        f"{_control(found)}{source(run)}",
    )


def _control(found: Event) -> str:
    control: Event = found.get("control") or {}
    if not control:
        return ""
    value, low, high = (
        numbers.one(Kind.RATIO, control.get(key)) for key in ("value", "low", "high")
    )
    return f"The first release, measured again at the end: {value} ({low} to {high}). "
