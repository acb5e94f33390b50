"""What the measurements stand on: intervals, texts of a length, time left, metrics."""

from __future__ import annotations

import io
import math
import random
import threading
import time
from math import comb

import pytest
from rich.console import Console

from onecard.console.live_line import left
from onecard.console.steps import Steps, seconds_left, waiting
from onecard.errors import UnhealthyError
from onecard.measure.length import text_of
from onecard.measure.metrics import MetricsWatch
from onecard.measure.texts import KINDS, words_of
from onecard.statistics.clusters import correlation, effective_size
from onecard.statistics.geometric_mean import Mean, geometric_mean, ratio_of
from onecard.statistics.percentile import percentile
from onecard.statistics.share_interval import Z_95, difference, wilson
from onecard.statistics.t_quantile import student_t, within


@pytest.mark.parametrize(
    ("right", "requested", "low", "high"),
    [
        # R's binom::binom.wilson and statsmodels' proportion_confint(method="wilson")
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (5, 10, 0.2365931, 0.7634069),
        (1, 1, 0.2065493, 1.0),
        (81, 263, 0.2552841, 0.3662086),  # Newcombe, Statistics in Medicine 17 (1998) 857, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_what_the_books_state(
    right: int, requested: int, low: float, high: float
) -> None:
    assert wilson(right, requested) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_a_difference_is_what_the_paper_states(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    assert difference(one, other) == pytest.approx((low, high), abs=1e-4)
    assert difference(one, (0, 0)) is None


def test_wilson_of_nothing_is_nothing() -> None:
    assert wilson(0, 0) is None


def test_the_ends_of_wilson_solve_its_equation() -> None:
    """Each end is a share of which the answers are z standard errors away, parts of one too."""
    for right, requested in ((3, 12), (11.5, 12.5), (40.2, 61.7)):
        for end in wilson(right, requested) or ():
            assert abs(right / requested - end) == pytest.approx(
                Z_95 * math.sqrt(end * (1 - end) / requested)
            )


@pytest.mark.parametrize(
    ("freedom", "confidence", "t"),
    [
        # NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2
        *((1, 0.95, 12.706), (2, 0.95, 4.303), (3, 0.95, 3.182), (4, 0.95, 2.776)),
        *((7, 0.95, 2.365), (10, 0.95, 2.228), (11, 0.95, 2.201), (15, 0.95, 2.131)),
        *((30, 0.95, 2.042), (60, 0.95, 2.000), (100, 0.95, 1.984)),
        *((1, 0.99, 63.657), (3, 0.98, 4.541), (8, 0.99, 3.355), (23, 0.9, 1.714)),
    ],
)
def test_students_t_is_what_the_books_state(freedom: int, confidence: float, t: float) -> None:
    assert student_t(freedom, confidence) == pytest.approx(t, abs=6e-4)
    assert within(student_t(freedom, confidence), freedom) == pytest.approx(confidence)


def test_students_t_of_many_is_the_normal_distribution() -> None:
    assert student_t(5000) == pytest.approx(Z_95, abs=1e-3)


def test_a_percentile_is_what_the_books_state() -> None:
    """NIST/SEMATECH e-Handbook, 7.2.6.2: twelve gauges, 90th percentile by definition R7."""
    gauges = [95.1772, 95.1567, 95.1937, 95.1959, 95.1442, 95.0610,
              95.1591, 95.1195, 95.1065, 95.0925, 95.1990, 95.1682]  # fmt: skip
    assert percentile(gauges, 90) == pytest.approx(95.19568, abs=1e-5)
    # R: quantile(1:10, c(.05, .5, .95, 1), type = 7)
    found = [percentile(range(1, 11), percent) for percent in (5, 50, 95, 100)]
    assert found == pytest.approx([1.45, 5.5, 9.55, 10.0])


def test_answers_that_are_not_alike_count_in_full() -> None:
    assert effective_size([(1, 1)] * 9 + [(0, 1)] * 3) == 12
    assert effective_size([]) == 0
    assert effective_size([(3, 6)] * 24) > 0.85 * 144


def test_answers_that_are_alike_count_as_their_pictures() -> None:
    assert effective_size([(6, 6), (0, 6)] * 12) == pytest.approx(24, rel=0.05)
    # Their correlation is unknown: more than the pictures, far fewer than the answers.
    assert 12 < effective_size([(6, 6)] * 12) < 24
    assert effective_size([(6, 6)] * 11 + [(5, 6)]) < 30


@pytest.mark.parametrize("truth", [0.05, 0.2, 0.5, 0.8])
def test_the_correlation_is_found_in_many_groups(truth: float) -> None:
    """Shares of a beta distribution with parameters a and b correlate by 1 / (a + b + 1)."""
    chance = random.Random(5)
    both = (1 - truth) / truth
    groups = []
    for _ in range(1500):
        share = chance.betavariate(0.6 * both, 0.4 * both)
        groups.append((sum(chance.random() < share for _ in range(6)), 6))
    assert correlation(groups) == pytest.approx(truth, abs=0.04)


@pytest.mark.parametrize("requested", [8, 12, 24, 60])
@pytest.mark.parametrize("truth", [0.05, 0.25, 0.5, 0.9])
def test_wilson_covers_the_truth_about_as_often_as_its_level(requested: int, truth: float) -> None:
    """The exact coverage, summed over the binomial distribution, not sampled."""
    covered = 0.0
    for right in range(requested + 1):
        low, high = wilson(right, requested) or (0.0, 0.0)
        if low <= truth <= high:
            covered += comb(requested, right) * truth**right * (1 - truth) ** (requested - right)
    assert 0.87 <= covered <= 1.0


def test_wilson_on_the_average_holds_its_level() -> None:
    total = 0.0
    truths = [step / 100 for step in range(2, 99)]
    for truth in truths:
        for right in range(41):
            low, high = wilson(right, 40) or (0.0, 0.0)
            if low <= truth <= high:
                total += comb(40, right) * truth**right * (1 - truth) ** (40 - right)
    assert total / len(truths) == pytest.approx(0.95, abs=0.01)


def tokens_by_letters(text: str) -> int:
    """Count as a tokenizer does: not a fixed number of tokens for a word."""
    return sum(math.ceil(len(word) / 3) for word in text.split())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [1, 7, 64, 1000, 30000])
def test_a_text_is_as_long_as_requested_and_never_longer(kind: str, target: int) -> None:
    requested: list[str] = []

    def count(text: str) -> int:
        requested.append(text)
        return tokens_by_letters(text)

    found = text_of(kind, target, count, seed=3)
    assert found.tokens == tokens_by_letters(found.text)
    assert target - max(6, target * 0.01) <= found.tokens <= target
    assert len(requested) <= 12
    assert found == text_of(kind, target, tokens_by_letters, seed=3)


def test_no_text_for_no_tokens() -> None:
    assert text_of("prose", 0, tokens_by_letters).text == ""
    assert text_of("prose", -5, tokens_by_letters).tokens == 0


def test_kinds_differ_and_seeds_differ() -> None:
    def begin(kind: str, seed: int) -> str:
        words = words_of(kind, seed)
        return " ".join(next(words) for _ in range(60))

    texts = {begin(kind, seed) for kind in KINDS for seed in (0, 1)}
    assert len(texts) == 6
    assert "triangle" in " ".join(begin("distractor", seed) for seed in range(9))
    assert "triangle" not in " ".join(begin("prose", seed) for seed in range(9))
    sentence = begin("repeated", 3).split(".")[0]
    assert begin("repeated", 3).count(sentence) > 3


def test_the_time_left_goes_on_as_before() -> None:
    assert seconds_left(0, 10, 3.0) is None
    assert seconds_left(4, 10, 8.0) == 12.0
    assert seconds_left(10, 10, 8.0) == 0


def test_steps_weigh_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts come last: a step of weight 8 is as eight of weight 1."""
    clock = [0.0]
    monkeypatch.setattr("onecard.console.steps.time.monotonic", lambda: clock[0])
    steps = Steps(Console(file=io.StringIO()), "box1  stress", [1, 1, 8, 8])
    assert steps.line() == "0 of 4"
    clock[0] = 5.0
    steps.step("short")
    assert steps.line() == "1 of 4, 85 s left"
    clock[0] = 10.0
    steps.step("short")
    assert steps.line() == "2 of 4, 80 s left"
    clock[0] = 30.0  # the current step counts down ...
    assert steps.line() == "2 of 4, 60 s left"
    clock[0] = 90.0  # ... and not below what is behind it
    assert steps.line() == "2 of 4, 40 s left"
    steps.reach(9)
    assert steps.line() == "4 of 4, 0 s left"


def test_the_bar_on_a_terminal_reports_the_time_left_of_long_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr("onecard.console.steps.time.monotonic", lambda: clock[0])
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with Steps(console, f"box1{'.example' * 9}  stress", [1] * 3) as steps:
        clock[0] = 61.0
        steps.step("one minute")
        steps._progress.refresh()
    assert "2 min left" in console.file.getvalue()


def test_a_long_wait_is_reported_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no terminal too: a request of 250,000 tokens takes minutes."""
    monkeypatch.setattr("onecard.console.steps.FIRST_S", 0.01)
    monkeypatch.setattr("onecard.console.steps.EVERY_S", 0.01)
    shown = io.StringIO()
    deadline = time.monotonic() + 10
    with waiting(Console(file=shown, width=100), "box[1]", "a request of 9 tokens", 90.0):
        while shown.getvalue().count("\n") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "box[1]  ... a request of 9 tokens: 0 s, 90 s left\n" in shown.getvalue()
    after = shown.getvalue()
    assert not [each for each in threading.enumerate() if "_tell" in each.name]
    assert shown.getvalue() == after


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "overdue"), (1.4, "1 s left"), (99, "99 s left"), (100, "2 min left"),
     (3600, "60 min left"), (9000, "2.5 h left")],
)  # fmt: skip
def test_time_left_in_words(seconds: float, words: str) -> None:
    assert left(seconds) == words


def test_metrics_are_watched_from_first_to_last() -> None:
    chance = random.Random(1)
    answers = iter(range(100))

    def fetch() -> str:
        number = next(answers)
        if number % 3 == 1:
            raise UnhealthyError("busy")
        return (
            "# HELP x\n"
            f'vllm:kv_cache_usage_perc{{engine="0"}} {chance.random() / 2}\n'
            f'vllm:prompt_tokens_total{{engine="0"}} {100 + number}\n'
            f'vllm:prompt_tokens_total{{engine="1"}} {100 + number}\n'
            "vllm:num_preemptions_total 2.0\nbroken\n"
        )

    with MetricsWatch(fetch) as watch:
        pass
    assert watch.load.preemptions == 0
    assert watch.load.prompt_tokens in {0, 4}
    assert 0 < (watch.load.kv_use_peak or 0) <= 0.5
    assert watch.load.generation_tokens is None


def test_a_ratio_of_means_holds_the_true_one_as_often_as_it_claims() -> None:
    chance = random.Random(3)

    def mean() -> Mean:
        return geometric_mean([math.exp(chance.gauss(0, 0.3)) for _ in range(8)])

    found = [ratio_of(mean(), mean()) for _ in range(400)]
    held = sum(each.low <= 1 <= each.high for each in found)
    assert 0.93 <= held / 400 <= 0.99
    exact = ratio_of(Mean(2.0, 2.0, 2.0), Mean(6.0, 3.0, 12.0))
    assert (exact.value, exact.low, exact.high) == pytest.approx((3.0, 1.5, 6.0))
