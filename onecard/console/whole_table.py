"""Tables of figures: one look for all, printed uncut, since a truncated figure is a wrong one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

_WIDEST = 10_000


def figure_table(*headings: str, left: Collection[int] = (0,), gap: int = 1) -> Table:
    """Return an empty table whose columns are right-aligned.

    left: numbers of those that are not, counted from 0. gap: blanks between two columns.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, gap, 0, 0), show_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index in left else "right", no_wrap=True)
    return table


def print_whole(table: Table, console: Console) -> None:
    """Print a table as wide as it is; a narrower terminal wraps its lines."""
    console.print(_Whole(table), crop=False)


@dataclass(frozen=True)
class _Whole:
    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        endless = options.update(max_width=_WIDEST)
        width = Measurement.get(console, endless, self.table).maximum
        yield from console.render(self.table, options.update(width=width))
