"""Records with changed lines, as a full disk or another program leaves them."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onecard.commands.measure.runs import runs
from onecard.errors import OnecardError
from onecard.inventory.host import Host
from onecard.project import PROJECT
from onecard.records import find_runs, read_run
from onecard.records.usual import Usual
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.settings import Settings
from tests.support import sample_runs
from tests.unit.fuzz.texts import JSON, changed

HOST = Host(sample_runs.HOST, ConnectionKeys().connection(sample_runs.HOST, PROJECT), Settings())


@cache
def records() -> list[list[dict[str, Any]]]:
    return [list(run.events) for run in sample_runs.all_runs()]


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """Return a record with one event changed, and perhaps a line that is none."""
    events = list(draw(st.sampled_from(records())))
    at = draw(st.integers(0, len(events) - 1))
    events[at] = draw(changed(lambda: [events[at]]))
    lines = [json.dumps(event).encode("utf-8", "replace") for event in events]
    if draw(st.booleans()):
        line = draw(st.binary(max_size=20) | JSON.map(json.dumps).map(str.encode))
        lines.insert(draw(st.integers(0, len(lines))), line)
    return b"\n".join(lines)


@given(written() | st.binary(max_size=40) | st.just(b'{"event": "begin", "a": ' + b"[" * 99_999))
def test_a_record(tmp_path_factory: pytest.TempPathFactory, record: bytes) -> None:
    folder = tmp_path_factory.mktemp("runs")
    path = folder / sample_runs.HOST / "20261129T000000Z-x.jsonl"
    path.parent.mkdir()
    path.write_bytes(record)
    found, trouble = find_runs(folder=folder)
    assert len(found) + len(trouble) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONECARD_RUNS", str(folder))
        assert runs("", as_json=False) == runs("", as_json=True) == 0
        Usual(HOST)("base", "package wget")
    with suppress(OnecardError):
        read_run(path)
