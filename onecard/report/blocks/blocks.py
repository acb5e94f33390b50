"""The parts of a page as values; the writers html, markdown and as_json render them.

All text is plain text, a model's answer too. The writers escape it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, TypeAlias

import yaml

from onecard.report.blocks.chart import Bar, Chart
from onecard.report.blocks.numbers import Kind, Texts, column, is_number

LONGEST_LINE: Final = 22  # letters


class Tone(Enum):
    """How a verdict is meant. Each has its own sign, so that colour is never the only one."""

    GOOD = "good"
    BAD = "bad"
    QUIET = "quiet"

    @property
    def sign(self) -> str:
        return {Tone.GOOD: "✓", Tone.BAD: "✗", Tone.QUIET: "·"}[self]


@dataclass(frozen=True)
class Verdict:
    """A word that judges, such as `right` or `exceeds limit`."""

    text: str
    tone: Tone

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Code:
    """Text to be typed or compared exactly, such as a command or a version."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Column:
    """A column of a table.

    key: its name in JSON. title: its heading, without the unit.
    group: columns of one group are compared with each other, so they share unit and decimals.
    """

    key: str
    title: str
    kind: Kind = Kind.TEXT
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    caption: what it shows, one sentence. rows: a raw value for each column.
    Values: numbers in base units (s, GiB, tokens, shares of 1), text, bool, None, Verdict, Code.
    note: a sentence below it.
    """

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]
    note: str = ""

    @classmethod
    def of_events(
        cls,
        key: str,
        caption: str,
        columns: tuple[Column, ...],
        events: Iterable[Mapping[str, Any]],
        note: str = "",
    ) -> Table:
        """Return a table with a row for each event: a column's key is that of its value."""
        rows = tuple(tuple(event.get(each.key) for each in columns) for event in events)
        return cls(key, caption, columns, rows, note)

    def filled(self) -> Table:
        """Return the table without its empty columns; the first column stays."""
        filled = [
            place
            for place in range(len(self.columns))
            if place == 0 or any(row[place] is not None for row in self.rows)
        ]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in filled),
            rows=tuple(tuple(row[place] for place in filled) for row in self.rows),
        )

    def headings(self) -> tuple[tuple[str, str], ...]:
        """Return each column's title and unit."""
        return tuple(
            (column_.title, texts.unit)
            for column_, texts in zip(self.columns, self._texts(), strict=True)
        )

    def texts(self) -> tuple[tuple[str, ...], ...]:
        """Return the cells as text, row by row."""
        return tuple(zip(*(texts.cells for texts in self._texts()), strict=True))

    def narrow(self) -> tuple[bool, ...]:
        """Return for each column whether its cells are short enough to stay on one line."""
        return tuple(
            all(len(cell) <= LONGEST_LINE for cell in texts.cells) for texts in self._texts()
        )

    def _texts(self) -> list[Texts]:
        return [
            column(
                column_.kind,
                [row[place] for row in self.rows],
                [row[other] for row in self.rows for other in self._compared(place)],
            )
            for place, column_ in enumerate(self.columns)
        ]

    def _compared(self, place: int) -> list[int]:
        """Return the indexes of the columns that one is compared with, its own included."""
        group = self.columns[place].group
        alike = [other for other, each in enumerate(self.columns) if each.group == group]
        return alike if group else [place]


@dataclass(frozen=True)
class Paragraph:
    """Plain sentences."""

    text: str


@dataclass(frozen=True)
class Warn:
    """A warning: one sentence about what is wrong."""

    text: str


@dataclass(frozen=True)
class Commands:
    """Command lines, in order."""

    caption: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """Values for reference, such as a lock file: collapsed in HTML.

    values: plain values, as in YAML and JSON.
    """

    key: str
    caption: str
    values: Mapping[str, Any]

    @property
    def lines(self) -> tuple[str, ...]:
        """The values as YAML."""
        return tuple(yaml.safe_dump(dict(self.values), sort_keys=False, width=200).splitlines())


@dataclass(frozen=True)
class Plot:
    """A drawing of numbers. alt: what it shows, in words, for a screen reader."""

    key: str
    title: str
    alt: str
    drawing: Chart | Bar

    def table(self) -> Table:
        """Return the same numbers as a table, for formats without drawings."""
        (first, *others), rows = self.drawing.numbers()
        share = isinstance(self.drawing, Chart) and self.drawing.y_share
        kind = Kind.SHARE if share else Kind.RATE
        columns = (
            Column("x", first, _kind_of([row[0] for row in rows])),
            *(Column(f"y{place}", name, kind, "y") for place, name in enumerate(others)),
        )
        return Table(self.key, self.title, columns, rows)


def _kind_of(values: Sequence[object]) -> Kind:
    """Return the kind of an axis' values: names, whole numbers or others."""
    found = [value for value in values if is_number(value)]
    if len(found) < len(values):
        return Kind.TEXT
    return Kind.COUNT if all(float(value).is_integer() for value in found) else Kind.RATE


@dataclass(frozen=True)
class CaseCard:
    """One question. picture: a data URL, or "" for none. facts: `latency`, `44 ms` and such."""

    name: str
    picture: str
    question: str
    expected: str
    given: str
    verdict: Verdict
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Gallery:
    """Questions with their pictures and answers."""

    key: str
    cards: tuple[CaseCard, ...]


@dataclass(frozen=True)
class Missing:
    """What has not been measured, and the command that measures it."""

    text: str
    command: str


Block: TypeAlias = Paragraph | Warn | Commands | Listing | Plot | Gallery | Missing | Table


@dataclass(frozen=True)
class Section:
    """A section of the page. key: its anchor and its name in JSON."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class KeyFigure:
    """One of the few numbers at the top. note: what it counts, in a few words."""

    value: str
    note: str
    tone: Tone = Tone.QUIET


@dataclass(frozen=True)
class Page:
    """The whole report. summary: what was found, one to three sentences."""

    title: str
    subtitle: str
    summary: str
    figures: tuple[KeyFigure, ...]
    sections: tuple[Section, ...]
    foot: str
