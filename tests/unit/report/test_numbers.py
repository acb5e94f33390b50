"""Figures as text: one unit and one number of decimals for a column; and what counts as noise."""

from __future__ import annotations

import pytest

from onecard.report.blocks.blocks import Column, Table
from onecard.report.blocks.numbers import Kind, column, interval, one, seconds
from onecard.report.evidence.noise import TYPICAL, difference_of_shares, ratio


@pytest.mark.parametrize(
    ("kind", "values", "unit", "cells"),
    [
        (Kind.SECONDS, [0.443, 0.0271], "ms", ("443", "27")),
        (Kind.SECONDS, [0.0044, 0.08], "ms", ("4.4", "80.0")),
        (Kind.SECONDS, [19.6, 0.44, 0.46], "s", ("19.60", "0.44", "0.46")),
        (Kind.SECONDS, [219.6, 94.4], "s", ("220", "94")),
        (Kind.SECONDS, [5.1, 44.8, None], "s", ("5.1", "44.8", "–")),
        (Kind.SECONDS, [], "s", ()),
        (Kind.SECONDS, [0.0, 0], "ms", ("0", "0")),
        (Kind.TENTHS, [0.0006, 17.484], "s", ("0.0", "17.5")),
        (Kind.GIB, [51.1, 0.918, 17.21], "GiB", ("51.10", "0.92", "17.21")),
        (Kind.COUNT, [4096, 262144, None], "", ("4,096", "262,144", "–")),
        (Kind.SHARE, [1.0, 0.0, 0.545], "%", ("100", "0", "55")),
        (Kind.RATIO, [39.89, 4.13], "×", ("39.89", "4.13")),
        (Kind.RATIO, [1.4, 0.0013], "×", ("1.4000", "0.0013")),
        (Kind.RATE, [1626.3, 0.44], "", ("1,626.30", "0.44")),
        (Kind.COUNT, ["12 of 12", True, False], "", ("12 of 12", "yes", "no")),
    ],
)
def test_a_column_shares_unit_and_decimals(
    kind: Kind, values: list[object], unit: str, cells: tuple[str, ...]
) -> None:
    texts = column(kind, values)
    assert texts.unit == unit
    assert texts.cells == cells


def test_columns_that_are_compared_share_unit_and_decimals() -> None:
    columns = (
        Column("what", "what"),
        Column("a", "A", Kind.SECONDS, "sides"),
        Column("b", "B", Kind.SECONDS, "sides"),
        Column("alone", "alone", Kind.SECONDS),
    )
    table = Table("t", "", columns, (("one", 0.44, 0.031, 0.05), ("two", 19.6, 0.5, None)))
    assert [unit for _, unit in table.headings()] == ["", "s", "s", "ms"]
    assert table.texts() == (("one", "0.440", "0.031", "50"), ("two", "19.600", "0.500", "–"))


def test_single_figures() -> None:
    space = "\N{NO-BREAK SPACE}"
    assert one(Kind.GIB, 17.21) == f"17.21{space}GiB"
    assert one(Kind.RATIO, 4.13) == "4.13×"
    assert one(Kind.SHARE, 0.5) == f"50{space}%"
    assert one(Kind.COUNT, 65536) == "65,536"
    assert one(Kind.COUNT, None) == "–"
    assert [seconds(each) for each in (0.0044, 0.044, 1.234, 44.8, 223.4, None)] == [
        f"4.4{space}ms", f"44{space}ms", f"1.23{space}s", f"44.8{space}s", f"223{space}s", "–",
    ]  # fmt: skip
    assert interval(0.623, 1.0) == f"62–100{space}%"
    assert interval(None, None) == "–"


def test_a_small_change_is_not_called_a_difference_however_sure() -> None:
    before = {f"question {number}": [0.1 * number] for number in range(1, 13)}

    def slower_by(factor: float) -> bool | None:
        after = {name: [times[0] * factor] for name, times in before.items()}
        found = TYPICAL.compare(before, after)
        assert found is not None
        assert found.value == pytest.approx(factor)
        return found.outside

    assert slower_by(1.5) is True
    assert slower_by(1.02) is False


@pytest.mark.parametrize(
    ("before", "after", "known"),
    [
        ({"a": [1.0]}, {"a": [2.0]}, True),
        ({"a": [1.0]}, {"b": [2.0]}, False),
        ({}, {"a": [1.0]}, False),
        ({"a": [1.0]}, {"a": []}, False),
        ({"a": [0.0]}, {"a": [1.0]}, False),
    ],
)
def test_few_questions_have_no_interval(
    before: dict[str, list[float]], after: dict[str, list[float]], known: bool
) -> None:
    found = TYPICAL.compare(before, after)
    assert (found is not None) is known
    if found is not None:
        assert found.outside is None


def test_single_figures_have_a_ratio_and_no_interval() -> None:
    found = ratio(2.0, 3.0)
    assert found is not None
    assert (found.value, found.outside) == (1.5, None)
    assert ratio(0.0, 3.0) is None
    assert ratio(1.0, None) is None


def test_a_difference_of_shares_is_newcombes() -> None:
    """His paper's example: 56 of 70 against 48 of 80, 0.0524 to 0.3339 (method 10)."""
    found = difference_of_shares((48, 80), (56, 70))
    assert found is not None
    assert found.low == pytest.approx(0.0524, abs=0.0001)
    assert found.high == pytest.approx(0.3339, abs=0.0001)
    assert found.outside is True
    same = difference_of_shares((12, 12), (12, 12))
    assert same is not None
    assert same.outside is False
    assert difference_of_shares((0, 0), (1, 1)) is None
