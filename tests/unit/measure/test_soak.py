"""Soak: which traffic is sent, and what makes a soak a failure."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from onecard.api.metrics import read_metrics
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.measure.soak.limits import knee
from onecard.measure.soak.senders import (
    ANSWERED,
    FAILED,
    NOT_REFUSED,
    REFUSED,
    Senders,
    SoakOutcome,
)
from onecard.measure.soak.soak_table import print_soak
from onecard.measure.soak.traffic import ABORTED, CONVERSATION, WRONG, Limits, Traffic
from onecard.measure.soak.verdict import SoakResult, has_fallen_back
from onecard.measure.soak.watch import Sample, has_ended
from onecard.measure.soak.wrong_requests import wrong_requests
from onecard.records import recorded
from onecard.reference.documents_schema import check
from onecard.server.state import ServiceState
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.statistics.trend import trend

FIXTURES = Path(__file__).parents[1] / "fixtures"
PICTURE = Path(__file__).parents[3] / "onecard" / "smoke" / "cases" / "shapes"
LIMITS = Limits(ctx=4096, pictures=3, picture_tokens=780, words_per_token=0.7)
STATE = ServiceState(True, "active", "", "first", 0, "", {})


def idle(at_s: float = -1.0, **values: Any) -> Sample:
    return Sample(at_s, **{"kv_use": 0.0, "running": 0.0, "waiting": 0.0, **values})


def soak(**changes: Any) -> SoakResult:
    """A quiet soak of 20 minutes."""
    samples = [idle(float(at), process_gib=2.0, card_mib=[70_000]) for at in range(0, 1200, 4)]
    outcomes = [
        *(SoakOutcome(ANSWERED, float(at), 0.1, 1.0 + at % 3) for at in range(1200)),
        SoakOutcome(ABORTED, 5.0),
        SoakOutcome(REFUSED, 6.0),
    ]
    quiet = SoakResult(1200.0, 1200.0, 2.0, outcomes, samples, idle(), idle(1201.0))
    return replace(quiet, **changes)


def test_a_quiet_soak_has_no_fault() -> None:
    found = soak()
    assert found.faults == []
    assert found.line == (
        "1,200 requests answered, 1 aborted, 1 wrong ones refused in 20 min: "
        "nothing died, failed or leaked"
    )
    drift = found.latency_drift
    assert drift is not None
    assert drift.low <= 1 <= drift.high


def growing(gib: float) -> list[Sample]:
    return [
        idle(float(at), process_gib=2.0 + gib * at / 1200 + 0.01 * (at % 7))
        for at in range(0, 1200, 4)
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"death": "the server ended: out of memory"}, "the server ended: out of memory"),
        ({"outcomes": [SoakOutcome(FAILED, 1.0, error="HTTP 500")]}, "1 request failed"),
        ({"after": idle(kv_use=0.25)}, "25.0 % of the KV cache stay in use when idle"),
        ({"after": None}, "the server did not become idle after the last answer"),
        ({"unanswered": 2}, "2 were never answered"),
        ({"samples": growing(0.5)}, "the memory of its processes grows"),
    ],
)
def test_what_died_failed_or_leaked_is_a_fault(changes: dict[str, Any], fault: str) -> None:
    found = soak(**changes)
    assert found.faults == [fault]
    assert found.line.endswith(f": {fault}")


def test_memory_that_a_cache_takes_at_the_beginning_is_no_leak() -> None:
    samples = [idle(float(at), process_gib=min(3.0, 2.0 + at / 300)) for at in range(0, 1200, 4)]
    assert soak(samples=samples).faults == []
    assert soak(samples=growing(0.05)).faults == []  # beyond chance, and small


def test_a_short_soak_does_not_judge_memory() -> None:
    found = soak(samples=growing(0.5), for_s=60.0, seconds=60.0)
    assert found.faults == []
    assert found.process_growth is not None


def test_a_wrong_request_that_is_not_refused_is_listed_and_no_fault() -> None:
    found = soak(outcomes=[SoakOutcome(NOT_REFUSED, 1.0, error="not refused: no messages")])
    assert (found.faults, found.errors) == ([], ["not refused: no messages (1 x)"])


def test_kv_use_of_a_real_server_falls_back() -> None:
    lines = json.loads((FIXTURES / "certify" / "held.json").read_text())["metrics"]
    first, *_, last = (read_metrics("\n".join(each)) for each in lines)
    fullest = max((read_metrics("\n".join(each)) for each in lines), key=lambda m: m["kv_use"])
    before, after, full = (idle(kv_use=each["kv_use"]) for each in (first, last, fullest))
    assert has_fallen_back(before, after)
    assert not has_fallen_back(before, full)


def test_the_drift_of_slower_answers_is_found() -> None:
    outcomes = [SoakOutcome(ANSWERED, float(at), 0.1, 1.0 + at / 1200) for at in range(1200)]
    drift = soak(outcomes=outcomes).latency_drift
    assert drift is not None
    assert 1 < drift.low < 2 < drift.high < 2.3


def test_a_trend_needs_time_and_knows_its_noise() -> None:
    assert trend([]) is None
    assert trend([(0.0, 1.0)] * 50) is None
    steady = trend([(float(at), (at * 7) % 5) for at in range(100)])
    rising = trend([(float(at), at / 10 + (at * 7) % 5) for at in range(100)])
    assert steady is not None and not steady.is_growth
    assert rising is not None and rising.is_growth
    assert rising.low < 99 / 10 < rising.high


def test_traffic_is_mixed_and_fits_the_context() -> None:
    traffic = Traffic(LIMITS, next(PICTURE.glob("*.png")), seed=7)
    arrivals = [traffic.arrival(number) for number in range(400)]
    kinds = [each.kind for each in arrivals]
    assert kinds.count(CONVERSATION) > 280
    assert min(kinds.count(ABORTED), kinds.count(WRONG)) > 15
    shown = set()
    for arrival in arrivals:
        pictures = sum(part["type"] == "image_url" for part in arrival.turns[0].content)
        words = sum(len(turn.content[-1]["text"].split()) for turn in arrival.turns)
        output = sum(turn.max_tokens for turn in arrival.turns)
        shown.add((pictures, len(arrival.turns)))
        assert pictures * 780 + words / 0.7 + output < LIMITS.ctx
    assert {pictures for pictures, _ in shown} == {0, 1, 2}  # three would take over half
    assert {turns for _, turns in shown} == {1, 2, 3, 4}
    assert traffic.arrival(3) == arrivals[3]


def test_wrong_requests_are_wrong_in_different_ways() -> None:
    bodies = wrong_requests("tiny-vqa", 4096)
    assert len(set(bodies.values())) == len(bodies) >= 8
    assert len(bodies["a text beyond the context"]) > 2 * 4096


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({}, False),
        ({"invocation": "second"}, True),
        ({"restarts": 1}, True),
        ({"active": "failed"}, True),
    ],
)
def test_another_start_is_an_end(changes: dict[str, Any], ended: bool) -> None:
    assert has_ended(STATE, replace(STATE, **changes)) is ended


def test_the_rate_is_near_the_most_of_the_last_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_RUNS", str(tmp_path))
    host = Host("box1", Connection("192.0.2.1"), Settings())
    options = {"served-model-name": "tiny-vqa", "max-model-len": "4096"}
    state = replace(STATE, options=options)
    with pytest.raises(UsageError, match="no bench of tiny-vqa at 4,096 tokens is recorded"):
        knee(host, state)
    with recorded("bench", host) as record:
        record.add("server", model="tiny-vqa", ctx=4096)
        for rate in (2.0, 10.0, None):
            record.add("load", requests_per_s=rate)
    assert knee(host, state) == pytest.approx(8.0)
    with pytest.raises(UsageError):
        knee(host, replace(state, options={**options, "max-model-len": "8192"}))


def test_the_document_of_json_is_as_described() -> None:
    check("soak", json.dumps({"host": "box1", **soak(death="the server ended").values()}))


def test_the_table_shows_levels_and_the_verdict() -> None:
    shown = io.StringIO()
    print_soak(soak(after=idle(kv_use=0.25)), Console(file=shown, width=120))
    text = shown.getvalue()
    assert "cards, GiB" in text
    assert "25.0 % of the KV cache stay in use when idle" in text
    assert "no change shown" in text


def test_a_request_whose_connection_ends_is_no_refusal() -> None:
    reported: list[SoakOutcome] = []
    one = cast("Any", SimpleNamespace(_now=lambda: 1.0, _report=reported.append))

    def lost() -> bool:
        raise ConnectionResetError

    for send in (lambda: True, lambda: False, lost):
        Senders._raw(one, send, REFUSED, NOT_REFUSED, "not refused")
    assert [each.outcome for each in reported] == [REFUSED, NOT_REFUSED, FAILED]
