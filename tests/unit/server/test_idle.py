"""How long a server has been idle: its counters beside those of the last look."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from onecard.api.metrics import read_metrics
from onecard.server.idle import IDLE, IN_USE, IdleNote, judge, read_note
from onecard.server.state import read_state

METRICS = Path(__file__).parents[1] / "fixtures" / "logs" / "cpu-0.32.0-metrics.txt"
STATE = read_state("LoadState=loaded\nActiveState=active\nInvocationID=a1\nUptime=1000\n")


def counters(**moved: float) -> dict[str, float]:
    found = read_metrics(METRICS.read_text())
    return {**found, **{name: found[name] + by for name, by in moved.items()}}


def test_counters_that_stand_still_are_idle_since_they_were_first_seen() -> None:
    note, found = judge(STATE, counters(), 1000.0, None)
    assert (found.status, found.idle_s, found.is_first) == (IDLE, 0.0, True)
    note, found = judge(STATE, counters(), 1600.0, read_note(json.dumps(asdict(note))))
    assert (found.status, found.idle_s, found.is_first) == (IDLE, 600.0, False)
    # Another look does not begin anew.
    _, found = judge(STATE, counters(), 1900.0, note)
    assert found.idle_s == 900.0


@pytest.mark.parametrize("moved", ["finished", "prompt_tokens", "generation_tokens"])
def test_whatever_was_done_between_two_looks_counts_as_use(moved: str) -> None:
    note, _ = judge(STATE, counters(), 1000.0, None)
    note, found = judge(STATE, counters(**{moved: 1}), 5000.0, note)
    assert (found.status, found.idle_s) == (IDLE, 0.0)
    assert note.since_s == 5000.0


@pytest.mark.parametrize("gauge", ["running", "waiting"])
def test_a_request_in_progress_is_use_however_long_the_counters_stood_still(gauge: str) -> None:
    note, _ = judge(STATE, counters(), 1000.0, None)
    note, found = judge(STATE, counters(**{gauge: 1}), 90_000.0, note)
    assert (found.status, found.idle_s) == (IN_USE, 0.0)
    assert note.since_s == 90_000.0


def test_another_start_or_a_reboot_begins_anew() -> None:
    note, _ = judge(STATE, counters(), 1000.0, None)
    _, found = judge(replace(STATE, invocation="b2"), counters(), 9000.0, note)
    assert (found.idle_s, found.is_first) == (0.0, True)
    _, found = judge(STATE, counters(), 20.0, note)  # a boot later than the note
    assert found.idle_s == 0.0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"invocation": "a"}', '{"counters": 1}'])
def test_a_damaged_note_is_none(text: str) -> None:
    assert read_note(text) is None


def test_a_note_is_read_as_it_was_written() -> None:
    note = IdleNote("a1", {"finished": 9.0}, 12.5)
    assert read_note(json.dumps(asdict(note))) == note
