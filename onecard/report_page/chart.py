"""What a plot shows, as plain numbers; plot.py draws it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """Points of one line. low, high: the ends of each point's interval, or empty."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reference:
    """A level that the series are read against, such as guessing."""

    name: str
    y: float


@dataclass(frozen=True)
class Chart:
    """Lines over numbers.

    x_ticks: where the axis is labelled (and what is said there); empty leaves it to the plot.
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


@dataclass(frozen=True)
class Part:
    """A piece of a bar."""

    name: str
    size: float
    text: str
    free: bool = False


@dataclass(frozen=True)
class Bar:
    """One or more bars of pieces that add up, on one scale. rows: what each is, and its pieces."""

    rows: tuple[tuple[str, tuple[Part, ...]], ...]
    unit: str
