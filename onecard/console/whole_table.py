"""Prints tables of figures uncut: a truncated figure is a wrong one."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

_WIDEST = 10_000


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
