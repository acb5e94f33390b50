"""Where the seconds of a real start went, and what would shorten it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from onecard.startup_log import StartTracker
from onecard.startup_log.budget import NOT_LOGGED, BudgetSaving, budget, savings
from onecard.startup_log.memory import MemoryFacts, learn

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"


def followed(name: str) -> StartTracker:
    tracker = StartTracker()
    for line in (LOGS / name).open(encoding="utf-8", newline="\n"):
        tracker.feed(line)
    return tracker


def phases_of(tracker: StartTracker) -> dict[str, float]:
    return {
        state.phase.title: state.seconds for state in tracker.phases if state.started is not None
    }


def shortened(name: str) -> tuple[BudgetSaving, ...]:
    tracker = followed(name)
    return savings(phases_of(tracker), asdict(tracker.facts))


@pytest.mark.parametrize(
    ("name", "total"), [("h200-0.25.1-ctx65536-ok.log", 218.0), ("cpu-0.32.0-ok.log", 16.0)]
)
def test_every_second_of_a_start_is_attributed(name: str, total: float) -> None:
    phases = phases_of(followed(name))
    assert sum(part.seconds for part in budget(phases, total)) == pytest.approx(total)
    assert all(part.what for part in budget(phases, total))
    assert NOT_LOGGED not in {part.phase for part in budget(phases, total)}


def test_seconds_that_no_line_accounts_for_are_a_part_of_their_own() -> None:
    parts = budget({"process up": 7.0, "configuration": 11.0}, 21.5)
    assert [(part.phase, part.seconds) for part in parts] == [
        ("process up", 7.0),
        ("configuration", 11.0),
        (NOT_LOGGED, 3.5),
    ]
    assert len(budget({"process up": 7.0}, None)) == 1


def test_what_the_caller_waits_before_the_service_starts_is_no_part_of_a_start() -> None:
    """As on a real box: 94.7 s by this computer's clock, 92.3 s by the box's."""
    parts = budget({"process up": 46.8, "configuration": 47.9}, 92.3)
    assert [part.seconds for part in parts] == [pytest.approx(44.4), 47.9]


def test_a_cold_start_on_a_gpu_is_shortened_by_its_caches() -> None:
    """20 of 218 s are imports, which is less than is worth a word."""
    (found,) = shortened("h200-0.25.1-ctx65536-ok.log")
    assert (found.part, found.seconds) == ("compile and profiling", 177.0)
    assert found.how.endswith("invoke provision --warm fills them ahead")


def test_on_a_cpu_in_eager_mode_only_imports_are_left() -> None:
    (found,) = shortened("cpu-0.32.0-ok.log")
    assert (found.part, found.seconds) == ("imports and configuration", 13.0)


# As vLLM 0.25 and 0.32 log it: compilation/backends.py, decorators.py.
CACHED = (
    "Directly load the compiled graph(s) for compile range (1, 2048) from the cache, took 1.1 s"
)


def test_a_start_that_found_its_caches_is_not_sent_to_them() -> None:
    facts = learn(MemoryFacts(eager=False), CACHED)
    assert facts.compile_cached is True
    warm = {"process up": 10.0, "compile": 12.0, "profiling": 9.0, "CUDA graphs": 11.0}
    found = savings(warm, asdict(facts))
    assert [each.part for each in found] == ["CUDA graphs", "imports and configuration"]


def test_slow_weights_name_the_speed_of_the_disk() -> None:
    (found,) = savings({"weights": 102.0, "API up": 2.0}, {"weights_gib": 51.0, "eager": True})
    assert found == BudgetSaving("weights", 102.0, "a faster disk: 51.0 GiB came at 0.5 GiB/s")
