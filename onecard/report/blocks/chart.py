"""The numbers of a plot; writers/svg.py draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

# The headings of a table and its rows; None where a line has no point, or a bar no such part.
Numbers: TypeAlias = tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]


@dataclass(frozen=True)
class Series:
    """Points of one line. low, high: the ends of each point's interval, or empty.

    joined: whether a line joins them in their order.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    joined: bool = True


@dataclass(frozen=True)
class Reference:
    """A level that the series are compared with, such as guessing."""

    name: str
    y: float


@dataclass(frozen=True)
class Chart:
    """Lines over numbers.

    x_ticks: positions and texts of the axis' labels; empty for automatic ones.
    x_log, y_log: a logarithmic axis. y_share: y is a share of 1, shown in per cent from 0 to 100.
    """

    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_ticks: tuple[tuple[float, str], ...] = ()
    x_log: bool = False
    y_log: bool = False
    y_share: bool = False
    references: tuple[Reference, ...] = ()

    def numbers(self) -> Numbers:
        """Return the heads of a table of all points, and its rows by x."""
        named = [dict(zip(series.x, series.y, strict=True)) for series in self.series]
        places = sorted({x for points in named for x in points})
        one = len(self.series) == 1
        names = [self.y_label] if one else [f"{each.name}, {self.y_label}" for each in self.series]
        rows = tuple((x, *(points.get(x) for points in named)) for x in places)
        return (self.x_label, *names), rows


@dataclass(frozen=True)
class BarPart:
    """A part of a bar. free: unused, such as headroom."""

    name: str
    size: float
    text: str
    free: bool = False


@dataclass(frozen=True)
class Bar:
    """One or more stacked bars on one scale. rows: the name of each bar, and its parts."""

    rows: tuple[tuple[str, tuple[BarPart, ...]], ...]
    unit: str

    def numbers(self) -> Numbers:
        """Return the headings of a table of all parts, and its rows."""
        names = list(dict.fromkeys(part.name for _, parts in self.rows for part in parts))
        sizes = [{part.name: part.size for part in parts} for _, parts in self.rows]
        rows = tuple(
            (name, *(size.get(each) for each in names))
            for (name, _), size in zip(self.rows, sizes, strict=True)
        )
        return ("", *(f"{name}, {self.unit}" for name in names)), rows
