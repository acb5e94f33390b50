"""What a stress run concludes, against known distributions and tables at random."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import product

import pytest

from onecard.measure.stress.cells import BLIND_CONTROL, CONTROL, Cell
from onecard.measure.stress.curve import Curve
from onecard.measure.stress.result import EXCEEDS, FAILED, RIGHT, WRONG, StressAnswer, Tally

GUESSABLE = 1 / 3


def answers(cell: Cell, shown: Sequence[Sequence[bool]]) -> list[StressAnswer]:
    """Return answers about pictures, right or not, some about each."""
    return [
        StressAnswer(cell, f"c{number}", f"{number}.png", ("red",), RIGHT if right else WRONG)
        for number, each in enumerate(shown)
        for right in each
    ]


def counted(cell: Cell, right: int, requested: int, pictures: int = 12) -> list[StressAnswer]:
    """Return answers of which so many are right, spread evenly over the pictures."""
    shown: list[list[bool]] = [[] for _ in range(min(pictures, requested))]
    for number in range(requested):
        shown[number % len(shown)].append(number < right)
    return answers(cell, shown)


def text(length: int) -> Cell:
    return Cell("prose", "image last", length)


def curve(*points: tuple[int, int, int], control: int = 12, blind: int = 0) -> Curve:
    """Return a curve of (tokens, right, total)."""
    found = counted(CONTROL, control, 12) + counted(BLIND_CONTROL, blind, 12)
    for length, right, requested in points:
        found += counted(text(length), right, requested)
    return Curve.of(found, GUESSABLE)


def test_the_interval_of_a_cell_is_that_of_its_answers() -> None:
    cell = text(64)
    found = answers(cell, [[True]] * 5 + [[False]] * 5)
    tally = Tally.of([*found, StressAnswer(cell, "a", "a.png", ("red",), EXCEEDS)])
    assert (tally.accuracy, tally.effective, tally.exceeds) == (0.5, 10, 1)
    assert tally.interval == pytest.approx((0.23659, 0.76341), abs=1e-4)
    assert Tally.of([]).interval is None


# How pictures differ: a beta distribution with this mean, correlating one picture's answers by so
# much. 0 is not a difference; 0.5 with 0.5 is the arcsine distribution, mostly hard or easy pictures.
@pytest.mark.parametrize(
    ("mean", "alike"), [(0.5, 0), (0.5, 0.1), (0.5, 0.5), (0.8, 0), (0.8, 0.3), (0.95, 0.3)]
)
@pytest.mark.parametrize(("pictures", "times"), [(12, 6), (12, 12), (24, 4)])
def test_the_interval_covers_the_truth_though_pictures_differ(
    mean: float, alike: float, pictures: int, times: int
) -> None:
    chance = random.Random(f"{mean} {alike} {pictures} {times}")
    runs, covered = 300, 0
    for _ in range(runs):
        tally = Tally.of(answers(text(64), shown(chance, mean, alike, pictures, times)))
        low, high = tally.interval or (0.0, 0.0)
        covered += low <= mean <= high
    assert 0.91 <= covered / runs <= 1


def shown(
    chance: random.Random, mean: float, alike: float, pictures: int, times: int
) -> list[list[bool]]:
    def share() -> float:
        both = (1 - alike) / alike if alike else 0.0
        return chance.betavariate(mean * both, (1 - mean) * both) if alike else mean

    return [[chance.random() < picture for _ in range(times)] for picture in
            (share() for _ in range(pictures))]  # fmt: skip


@pytest.mark.parametrize(("mean", "alike"), list(product((0.5, 0.8, 0.95), (0, 0.2, 0.5))))
def test_chance_alone_is_seldom_a_loss(mean: float, alike: float) -> None:
    """Without any effect of the text, 1 point in 40 at most is called worse than the control."""
    chance = random.Random(f"{mean} {alike}")
    lost = 0
    for _ in range(400):
        both = shown(chance, mean, alike, 12, 7)
        control = Tally.of(answers(CONTROL, [each[:1] for each in both]))
        lost += control.is_better_than(Tally.of(answers(text(64), [each[1:] for each in both])))
    assert lost / 400 <= 0.04


def test_a_great_loss_is_detected_and_a_small_one_is_not() -> None:
    assert "worse beyond chance at 64" in curve((64, 43, 72)).verdict
    assert "no length shows a loss" in curve((64, 65, 72)).verdict


@pytest.mark.parametrize("control", [12, 11])
@pytest.mark.parametrize("blind", [12, 11, 9])
def test_right_answers_without_pictures_are_trouble(control: int, blind: int) -> None:
    found = curve((64, 47, 48), control=control, blind=blind)
    assert "nothing shows that the answers come from the pictures" in found.trouble
    assert f"{blind} of 12 right without them, {control} of 12 with" in found.trouble


def test_questions_that_give_their_answers_away_are_trouble() -> None:
    found = counted(CONTROL, 48, 48, 48) + counted(BLIND_CONTROL, 30, 48, 48)
    assert "the questions give their answers away" in Curve.of(found, GUESSABLE).trouble
    assert not curve((64, 47, 48), blind=4).trouble


def test_a_control_that_was_not_answered_controls_nothing() -> None:
    failed = [StressAnswer(BLIND_CONTROL, "c0", "0.png", ("red",), FAILED)]
    found = Curve.of(counted(CONTROL, 12, 12) + failed, GUESSABLE)
    assert "not answered without pictures" in found.trouble


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        (
            ((64, 10, 48), (256, 48, 48), (1024, 47, 48)),
            "; worse beyond chance at single lengths: 10 of 48 at 64 tokens of text; at the "
            "longest, 1,024, 47 of 48: no such loss",
        ),
        (
            ((4096, 25, 48), (16384, 4, 48)),
            "; worse beyond chance from 4,096 tokens of text on: 25 of 48 at 4,096, "
            "4 of 48 at 16,384; at 16,384 worse than guessing (33 %)",
        ),
        (
            ((64, 24, 48), (256, 48, 48), (1024, 24, 48)),
            "; worse beyond chance at 1,024 tokens of text: 24 of 48; worse beyond "
            "chance at single lengths: 24 of 48 at 64 tokens of text",
        ),
        (
            ((64, 48, 48), (256, 16, 48), (1024, 2, 48)),
            "; worse beyond chance from 256 tokens of text on: 16 of 48 at 256, 2 of 48 at 1,024; "
            "from 256 on not shown to be better than guessing (33 %), at 1,024 worse",
        ),
        ((), "; with a text none was answered"),
    ],
)
def test_the_verdict_reports_what_the_curve_shows(
    points: tuple[tuple[int, int, int], ...], verdict: str
) -> None:
    assert curve(*points).verdict == "12 of 12 right without a text" + verdict


@pytest.mark.parametrize("seed", range(200))
def test_the_verdict_is_true_of_any_table(seed: int) -> None:
    """Every number and every claim of the sentence is looked up in the table it was made from."""
    chance = random.Random(seed)
    lengths = [64 * 4**power for power in range(chance.randrange(1, 6))]
    table = []
    for length in lengths:
        requested = chance.choice((0, 2, 12, 48, 144))
        share = chance.choice((0.0, 0.1, 0.33, 0.6, 0.9, 1.0))
        table.append((length, sum(chance.random() < share for _ in range(requested)), requested))
    found = curve(*table, control=chance.choice((12, 12, 11, 9)), blind=chance.choice((0, 0, 2)))
    if found.trouble:
        assert found.verdict == found.trouble
        return
    points = {point.target_tokens: point.tally for point in found.points if point.tally.asked}
    control = points.pop(0)
    worse = {length for length, tally in points.items() if control.is_better_than(tally)}
    guessed = {n for n, t in points.items() if (t.interval or (0, 1))[0] <= GUESSABLE}
    below = {n for n, t in points.items() if (t.interval or (0, 1))[1] < GUESSABLE}
    message = re.sub(r"(\d),(\d)", r"\1\2", found.verdict)

    def tail(place: str) -> set[int]:
        """Return the lengths that `from 256 on` or `at 1024` is about."""
        first = int(re.findall(r"\d+", place)[0])
        return {length for length in points if length >= first}

    assert message.startswith(f"{control.right} of {control.asked} right without a text")
    for right, requested, length in re.findall(r"(\d+) of (\d+) (?:at|behind) (\d+)", message):
        assert (int(right), int(requested)) == (
            points[int(length)].right,
            points[int(length)].asked,
        )
    if "no length shows a loss" in message:
        assert not worse
    claimed: set[int] = set()
    if match := re.search(
        r"worse beyond chance (from \d+ tokens of text on|at \d+ tokens)", message
    ):
        claimed |= tail(match[1])
        assert (len(claimed) > 1) == match[1].startswith("from")
    if match := re.search(r"at (\d+) tokens of text: (\d+) of (\d+)(?:;|$)", message):
        length, right, requested = map(int, match.groups())
        assert (right, requested) == (points[length].right, points[length].asked)
    if match := re.search(r"at single lengths: (.*?) tokens of text", message):
        claimed |= {int(length) for length in re.findall(r"at (\d+)", match[1])}
    assert claimed == worse
    if match := re.search(r"at the longest, (\d+), (\d+) of (\d+): no such loss", message):
        last = max(points)
        assert last not in worse
        assert tuple(map(int, match.groups())) == (last, points[last].right, points[last].asked)
    if match := re.search(r"(from \d+ on|at \d+) not shown to be better than guessing", message):
        assert tail(match[1]) <= guessed
    if match := re.search(r"(from \d+ on|at \d+) worse(?: than guessing|$)", message):
        assert tail(match[1]) <= below
    if points and max(points) in guessed:
        assert "guessing (33 %)" in message
