"""A console, a deployment and a record receive the same events of one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onecard.engine.converge import converge
from onecard.engine.host_plan import RolePlan
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListeners
from onecard.errors import CommandError
from onecard.records.record import Record
from onecard.records.record_listener import RecordListener
from tests.support.engine_run import FACTS, HOST, Marker, Notes
from tests.support.local_pipe import LocalBox


def test_each_listener_receives_every_event(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    box = LocalBox(tmp_path / "box", FACTS)
    first, second = Notes(), Notes()
    record = Record(tmp_path / "record.jsonl")
    good = Marker(
        tmp_path / "a", f"echo here; echo '@onecard-progress 0.5 half'; touch {tmp_path / 'a'}"
    )
    bad = Marker(tmp_path / "b", "exit 7")
    try:
        with pytest.raises(CommandError):
            converge(
                box.session(),
                HOST,
                lambda host, facts: [RolePlan("base", (good, bad))],
                listener=EventListeners(first, RecordListener(record), second),
                report=HostReport(HOST.name),
                holder="`invoke provision` of ann",
            )
    finally:
        box.close()
        record.close()
    assert first.events == second.events
    assert [word.split()[0] for word in first.events] == [
        "facts",
        "planned",
        "begin",
        "0.5",
        "end",
        "begin",
        "end",
    ]
    assert first.lines == second.lines == ["here"]
    events = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["facts", "step", "step"]
    assert [(e["role"], e["resource"], e["code"]) for e in events[1:]] == [
        ("base", "marker a", 0),
        ("base", "marker b", 7),
    ]
