"""How many full requests were held at once, proved under load by `invoke certify`."""

from __future__ import annotations

from collections.abc import Sequence

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import (
    Block,
    Column,
    Missing,
    Paragraph,
    Section,
    Table,
    Tone,
    Verdict,
    Warn,
)
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import source

_NAMES = {"different": "{} different", "one more": "{} different", "shared": "{}, one document"}
_LISTED = 8  # requests of a load; of more, the first and the last half


def section(evidence: Evidence) -> Section:
    """Return the verdict, the loads and their requests, or the command that proves it."""
    run = evidence.latest("certify", "certificate")
    if run is None:
        nothing = Missing(
            "How many full requests are held at once has not been proved under load.",
            f"invoke certify --host {evidence.host}",
        )
        return Section("certificate", "Requests at once, proved", (nothing,))
    found = run.last("certificate") or {}
    line = f"{str(found.get('line'))[:1].upper()}{str(found.get('line'))[1:]}."
    # A load that proved nothing was sent again: the last one of its name counts.
    named = {str(load.get("name")): load for load in run.all("held")}
    loads = [named[name] for name in _NAMES if name in named]
    blocks: list[Block] = [
        Paragraph(line) if found.get("held") else Warn(line),
        Paragraph(
            "Each request is a picture and a text, with an output that fills the rest of its "
            f"{numbers.count(found.get('ctx'))} tokens. A load is held at once where the last "
            "request is in (has its first token) before the first answer ends, and the server "
            "preempts none: requests that wait for each other are answered too. Different ones "
            "have nothing in common; those about one document share picture and text."
        ),
        _loads(loads, found, run),
        _requests(loads),
    ]
    return Section("certificate", "Requests at once, proved", tuple(blocks))


def _loads(loads: Sequence[Event], found: Event, run: Run) -> Table:
    rows = (
        {
            **load,
            "load": _name(load),
            "verdict": _verdict(load),
            "kv_use": load.get("kv_use_peak") if load.get("kv_use") is None else load["kv_use"],
            "kv_use_expected": found.get("kv_use_expected")
            if load["name"] == "different"
            else None,
        }
        for load in loads
    )
    return Table.of_events(
        "certificate-loads",
        "What each load took",
        (
            Column("load", "sent"),
            Column("verdict", ""),
            Column("at_once", "held at once", Kind.COUNT),
            Column("last_in_s", "last one in", Kind.TENTHS),
            Column("first_end_s", "first answer ends", Kind.TENTHS),
            Column("kv_use", "KV used", Kind.SHARE, "kv"),
            Column("kv_use_expected", "expected", Kind.SHARE, "kv"),
            Column("preemptions", "preempted", Kind.COUNT),
            Column("prefix_hits", "tokens from the cache", Kind.COUNT),
        ),
        rows,
        f"KV used: while all were in, else the most of any sample. {source(run)}",
    )


def _requests(loads: Sequence[Event]) -> Table:
    rows = []
    for load in loads:
        times = list(enumerate(load.get("times") or (), start=1))
        if len(times) > _LISTED:
            times[_LISTED // 2 : -(_LISTED // 2)] = []
        rows += [{**each, "load": _name(load), "number": number} for number, each in times]
    return Table.of_events(
        "certificate-requests",
        "Their requests, in the order in which they came in",
        (
            Column("load", "sent"),
            Column("number", "request", Kind.COUNT),
            Column("prompt_tokens", "prompt", Kind.COUNT),
            Column("completion_tokens", "output", Kind.COUNT),
            Column("ttft_s", "first token", Kind.SECONDS),
            Column("tpot_s", "each token", Kind.SECONDS),
            Column("latency_s", "whole answer", Kind.TENTHS),
        ),
        rows,
        f"Of more than {_LISTED} the first and the last {_LISTED // 2}."
        if any(len(load.get("times") or ()) > _LISTED for load in loads)
        else "",
    )


def _verdict(load: Event) -> Verdict:
    """Return a load's verdict; that one more is not held is not a fault."""
    verdict, is_more = str(load.get("verdict")), load.get("name") == "one more"
    if verdict == "held":
        return Verdict(verdict, Tone.GOOD)
    return Verdict(verdict, Tone.QUIET if is_more and verdict != "failed" else Tone.BAD)


def _name(load: Event) -> str:
    return _NAMES[str(load.get("name"))].format(load.get("requests"))
