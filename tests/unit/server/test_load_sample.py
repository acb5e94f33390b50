"""One sample of a server's load: rates between two readings, cards, errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.api.metrics import read_metrics
from onecard.server.load_sample import CardSample, Reading, between, read_cards, read_errors

METRICS = read_metrics(
    (Path(__file__).parents[1] / "fixtures" / "logs" / "h200-0.25.1-metrics.txt").read_text()
)


def reading(at_s: float, **moved: float) -> Reading:
    return Reading(
        at_s, {**METRICS, **{name: METRICS[name] + by for name, by in moved.items()}}, (), ()
    )


def test_rates_are_the_growth_of_counters_over_the_time_between() -> None:
    found = between(
        reading(10.0),
        reading(12.0, generation_tokens=50, prompt_tokens=1000, finished=3, running=2, kv_use=0.5),
    )
    assert found.interval_s == 2.0
    assert (found.generation_tokens_per_s, found.prompt_tokens_per_s) == (25.0, 500.0)
    assert (found.requests_per_s, found.running) == (1.5, 2)
    assert found.kv_use == METRICS["kv_use"] + 0.5


def test_a_restart_and_a_missing_counter_give_no_rate() -> None:
    found = between(reading(10.0, prompt_tokens=500), reading(11.0))
    assert found.prompt_tokens_per_s is None
    found = between(Reading(1.0, {}, (), ()), Reading(2.0, {}, (), ()))
    assert (found.running, found.kv_use, found.generation_tokens_per_s) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("", ()),
        # A real H200.
        ("0, 143771, 95.32, 34\n", (CardSample(0, 143771, 95.32, 34.0),)),
        ("71234, 81559, [N/A], 61\n", (CardSample(71234, 81559, None, 61.0),)),
        ("No devices were found\n", ()),
        ("Failed to initialize NVML: Driver/library version mismatch\n", ()),
    ],
)
def test_nvidia_smi_is_read(text: str, cards: tuple[CardSample, ...]) -> None:
    assert read_cards(text) == cards


def test_errors_are_shown_without_the_prefixes_of_the_journal() -> None:
    text = (
        '(APIServer pid=77) INFO:     127.0.0.1:41114 - "POST /v1/chat/completions HTTP/1.1" 400 '
        "Bad Request\n"
        "(EngineCore pid=91) ERROR 11-29 21:05:33 [core.py:133] RuntimeError: no memory\n"
    )
    assert read_errors(text) == (
        '127.0.0.1:41114 - "POST /v1/chat/completions HTTP/1.1" 400 Bad Request',
        "RuntimeError: no memory",
    )
