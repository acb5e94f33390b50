"""Every figure on the page as text: one unit and one number of decimals for a whole column.

Cells with the same number of decimals line up at the decimal point when they are right-aligned, in
any font with tabular figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeGuard

ABSENT = "–"
LEVEL = "95\N{NO-BREAK SPACE}% interval"
MINUS = "\N{MINUS SIGN}"
MOST_DECIMALS = 3
SMALL_RATIO = 0.1  # below it two decimals are too few: two significant digits instead


class Kind(Enum):
    """What a column's values are."""

    TEXT = "text"
    COUNT = "count"
    GIB = "GiB"
    SECONDS = "s"
    TENTHS = "s, to a tenth"
    RATE = "rate"
    SHARE = "share"
    RATIO = "ratio"


@dataclass(frozen=True)
class Texts:
    """A column's cells as text, and the unit that they share ("" for none)."""

    unit: str
    cells: tuple[str, ...]


def column(kind: Kind, values: Sequence[object], compared: Sequence[object] | None = None) -> Texts:
    """Return the texts of a column. A value that is not a number stays as text.

    compared: the values that determine unit and decimals; those of the column if None.
    """
    all_of_them = values if compared is None else compared
    unit, factor, decimals = _scale(kind, [value for value in all_of_them if is_number(value)])
    cells = tuple(
        f"{value * factor:,.{decimals}f}".replace("-", MINUS) if is_number(value) else _word(value)
        for value in values
    )
    return Texts(unit, cells)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether `value` is a number; True and False are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _word(value: object) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _scale(kind: Kind, numbers: Sequence[float]) -> tuple[str, float, int]:
    """Return unit, factor and decimals for all of `numbers`."""
    if kind is Kind.GIB:
        return "GiB", 1, 2
    if kind is Kind.SHARE:
        return "%", 100, 0
    if kind is Kind.RATIO:
        small = [abs(number) for number in numbers if 0 < abs(number) < SMALL_RATIO]
        return "×", 1, max(2, _decimals(small, 4))
    if kind is Kind.SECONDS:
        if numbers and max(map(abs, numbers)) < 1:
            return "ms", 1000, _decimals(number * 1000 for number in numbers)
        return "s", 1, _decimals(numbers)
    if kind is Kind.TENTHS:
        return "s", 1, 1
    if kind is Kind.RATE:
        return "", 1, _decimals(numbers)
    return "", 1, 0


def _decimals(numbers: Iterable[float], most: int = MOST_DECIMALS) -> int:
    """Return the decimals that show the smallest number except 0 with two significant digits.

    At most `most`.
    """
    sizes = [abs(number) for number in numbers if number]
    if not sizes:
        return 0
    smallest = min(sizes)
    for decimals in range(most):
        if smallest >= 10 ** (1 - decimals):
            return decimals
    return most


def one(kind: Kind, value: object) -> str:
    """Return a single value with its unit, such as `44 ms`, `17.21 GiB`, `65,536` or `4.13×`."""
    texts = column(kind, [value])
    if not is_number(value) or not texts.unit:
        return texts.cells[0]
    gap = "" if texts.unit == "×" else "\N{NO-BREAK SPACE}"
    return f"{texts.cells[0]}{gap}{texts.unit}"


def three_digits(value: float) -> str:
    """Return a single number with three significant digits: `0.0044`, `61.2`, `1,626`."""
    decimals = 2 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:,.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def seconds(value: float | None) -> str:
    """Return a time: `44 ms`, `1.23 s`, `12.3 s`, `223 s`."""
    if value is None:
        return ABSENT
    if abs(value) < 1:
        text = f"{value * 1000:.0f}" if abs(value) >= 0.01 else f"{value * 1000:.1f}"
        return f"{text}\N{NO-BREAK SPACE}ms"
    decimals = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{decimals}f}\N{NO-BREAK SPACE}s"


def gib(value: float | None) -> str:
    """Return memory, such as `17.21 GiB`."""
    return one(Kind.GIB, value)


def count(value: float | None) -> str:
    """Return a whole number with thousands separators."""
    return one(Kind.COUNT, value)


def ratio(value: float | None) -> str:
    """Return a ratio, such as `4.13×`."""
    return one(Kind.RATIO, value)


def share(value: float | None) -> str:
    """Return a share of 1 in per cent."""
    return one(Kind.SHARE, value)


def interval(low: float | None, high: float | None) -> str:
    """Return an interval of shares in per cent, such as `62–100 %`."""
    if low is None or high is None:
        return ABSENT
    return f"{low * 100:.0f}–{high * 100:.0f}\N{NO-BREAK SPACE}%"
