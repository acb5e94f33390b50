"""What is called slower: how often by chance alone, and how often rightly, where both are known."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from onecard.records import Run
from onecard.report.evidence.noise import AVERAGE, TYPICAL, Way
from onecard.report.sections.slowdown import Slower, findings, slower
from tests.support import sample_runs as sample
from tests.unit.report.test_page import evidence, smoke_run

QUESTIONS = 12
REPEATS = 3


def measured(
    chance: random.Random, *, factor: float = 1.0, within: float = 0.03, between: float = 0.0
) -> dict[str, list[float]]:
    """A run of questions that take 20 to 80 ms. within, between: standard deviations of the
    logarithm, of one request and of a whole run."""
    factor *= math.exp(chance.gauss(0, between))
    return {
        f"question {number}": [
            0.02 * 4 ** (number / (QUESTIONS - 1)) * factor * math.exp(chance.gauss(0, within))
            for _ in range(REPEATS)
        ]
        for number in range(QUESTIONS)
    }


def share_said(
    factor: float, *, runs: int = 100, earlier: int, within: float, between: float = 0.0
) -> float:
    """How many of `runs` are called slower when they are so by `factor`."""
    said = 0
    for seed in range(runs):
        chance = random.Random(seed)
        history = [measured(chance, within=within, between=between) for _ in range(earlier)]
        now = measured(chance, factor=factor, within=within, between=between)
        said += slower([*history, now]) is not None
    return said / runs


@pytest.mark.parametrize("way", [TYPICAL, AVERAGE])
def test_the_interval_misses_the_true_ratio_in_about_one_of_twenty(way: Way) -> None:
    """By noise of a known distribution, however much the questions differ among themselves."""
    missed = 0
    for seed in range(200):
        chance = random.Random(seed)
        runs = measured(chance, within=0.1), measured(chance, within=0.1, factor=1.5)
        found = way.compare(*runs)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= 1.5 <= found.high
    assert missed <= 20  # at 5 %, 19 or more of 200 come in one of a hundred


@pytest.mark.parametrize("earlier", [1, 3, 5])
@pytest.mark.parametrize(("within", "between"), [(0.03, 0.0), (0.1, 0.0), (0.03, 0.02)])
def test_noise_alone_is_seldom_called_slower(earlier: int, within: float, between: float) -> None:
    assert share_said(1.0, earlier=earlier, within=within, between=between) <= 0.1


@pytest.mark.parametrize("earlier", [1, 3])
def test_few_loads_that_are_noisy_are_seldom_called_slower(earlier: int) -> None:
    """Six loads, each measured once on a busy box."""
    said = 0
    for seed in range(100):
        chance = random.Random(seed)
        runs = [
            {f"load {name}": [0.3 * math.exp(chance.gauss(0, 0.25))] for name in range(6)}
            for _ in range(earlier + 1)
        ]
        said += slower(runs) is not None
    assert said <= 10


@pytest.mark.parametrize("earlier", [3, 5])
def test_runs_that_differ_among_themselves_are_not_called_slower(earlier: int) -> None:
    """By 4 % from run to run, two of a hundred pairs differ by 13 %: their repeats do not know."""
    assert share_said(1.0, earlier=earlier, within=0.03, between=0.04) <= 0.1
    assert (
        share_said(1.0, earlier=1, within=0.03, between=0.04) > 0.1
    )  # one run alone cannot show it


@pytest.mark.parametrize("earlier", [1, 3, 5])
@pytest.mark.parametrize("factor", [1.1, 1.2])
def test_a_planted_slow_down_is_found(factor: float, earlier: int) -> None:
    assert share_said(factor, runs=40, earlier=earlier, within=0.03) == 1.0


def test_a_planted_slow_down_is_found_where_runs_differ() -> None:
    assert share_said(1.1, runs=60, earlier=1, within=0.03, between=0.02) > 0.8
    assert share_said(1.2, runs=60, earlier=5, within=0.03, between=0.02) > 0.95


def test_a_slow_down_that_creeps_is_found_against_the_last_few() -> None:
    """Each run 4 % slower than the one before: none of the steps is one by itself."""
    chance = random.Random(1)
    runs = [measured(chance, factor=1.04**number, within=0.01) for number in range(10)]
    assert slower(runs[:2]) is None
    found = slower(runs)
    assert found is not None
    assert found.runs == 5
    assert found.change.value == pytest.approx(1.04**3, abs=0.02)


def test_few_questions_have_no_interval_unless_runs_give_one() -> None:
    def run(seconds: float) -> dict[str, list[float]]:
        return {"one": [seconds], "two": [seconds * 3]}

    assert slower([run(1), run(3)]) is None
    assert slower([run(1), run(1.01), run(1), run(3)]) is not None
    assert slower([run(1)]) is None


def said(*runs: Run) -> str:
    return "\n".join(findings(evidence(*runs))).replace("\N{NO-BREAK SPACE}", " ")


def scale_run(time: str, factor: float) -> Run:
    return sample.run(
        "scale",
        time,
        [sample.FACTS, sample.server(65536), *sample.smoke(65536, factor=factor, repeats=1)],
    )


def test_a_smoke_test_within_scale_is_no_like() -> None:
    """Scale sends each question once, with nothing cached; smoke three times."""
    day = "2026-11-2{}T09:00:00Z".format
    before, after = smoke_run(day(1)), smoke_run(day(3), factor=1.3)
    assert "Picture questions take 1.30× as long" in said(before, scale_run(day(2), 1.3), after)
    assert said(before, scale_run(day(2), 0.5), smoke_run(day(3))) == ""


def test_other_questions_are_no_like() -> None:
    day = "2026-11-2{}T09:00:00Z".format
    other = smoke_run(day(1))
    for case in other.all("case"):
        case["question"] += " In one word."
    assert said(other, smoke_run(day(2), factor=2)) == ""


def bench_run(time: str, **faults: float) -> Run:
    return sample.run("bench", time, sample.bench(**faults))


def test_a_slower_bench_is_reported() -> None:
    day = "2026-11-2{}T09:00:00Z".format
    assert said(bench_run(day(1)), bench_run(day(2))) == ""
    text = said(bench_run(day(1)), bench_run(day(2), factor=1.2))
    assert (
        "Requests under load take 1.18× as long as on 2026-11-21 09:00 UTC (in the median" in text
    )
    broken = sample.run("bench", day(3), [sample.FACTS, sample.server(65536)])
    assert "Requests under load" in said(bench_run(day(1)), bench_run(day(2), factor=1.2), broken)
    other = bench_run(day(1))
    for load in other.all("load"):
        load["name"] += ", other"
    assert said(other, bench_run(day(2), factor=3)) == ""


def many(factors: Sequence[float]) -> Slower | None:
    chance = random.Random(7)
    return slower([measured(chance, factor=factor, within=0.02) for factor in factors])


def test_a_faster_run_is_no_finding() -> None:
    assert many([1, 1, 1, 0.5]) is None
