"""A figure that is known within a range."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GibRange:
    """An amount: the likely value, and the least and most that known starts took."""

    likely: float
    least: float
    most: float

    def __add__(self, other: GibRange) -> GibRange:
        """Return the sum of two amounts."""
        return GibRange(
            self.likely + other.likely, self.least + other.least, self.most + other.most
        )

    def __mul__(self, factor: float) -> GibRange:
        """Return the amount times a number."""
        return GibRange(self.likely * factor, self.least * factor, self.most * factor)


NOTHING = GibRange(0.0, 0.0, 0.0)


def larger(first: GibRange, second: GibRange) -> GibRange:
    """Return the larger of two amounts that are not needed at the same time."""
    return GibRange(
        max(first.likely, second.likely),
        max(first.least, second.least),
        max(first.most, second.most),
    )


@dataclass(frozen=True)
class OverheadPart:
    """GiB of one part on each card, and what it was computed from."""

    name: str
    gib: GibRange
    formula: str
    source: str
