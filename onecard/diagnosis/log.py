"""A saved log, its lines, and the runs of the server that it holds.

A journal holds many starts. What failed is told by one of them, so each is looked at by itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onecard.start.line import LogLine, foreign_width, read_line, states, strip_ansi, take_coats
from onecard.start.progress import read_progress

READY = "Application startup complete."
_NEW_PROCESS = ("█  version ", "vLLM API server version")
_SYSTEMD_START = re.compile(r"systemd\[\d+\]: Start(?:ing|ed) ")
_SYSTEMD_STOP = re.compile(r"systemd\[\d+\]: Stopp(?:ing|ed) ")
# A unit may have restarted for weeks; what lies before the newest runs is looked at as one.
_MOST_RUNS = 50
_TOLD_TO_GO = "[shutdown] API server: shutdown triggered"
# Lines looked at for a coat that is not known, and how many kinds of it a log may have.
_SAMPLE = 5_000
_MOST_COATS = 8
_ARGUMENTS = {
    "model": re.compile(r"'model': '([^']{1,200})'"),
    "port": re.compile(r"'port': (\d{1,5})\b"),
    "ctx": re.compile(r"'max_model_len': (\d{1,9})\b"),
}


@dataclass(frozen=True)
class Run:
    """One run of the server: lines `first` up to, not including, `end` (both counted from 0).

    quiet_from: the line from which errors are those of a server that was told to go.
    ready: whether the API came up.
    """

    first: int
    end: int
    quiet_from: int
    ready: bool


class Log:
    """A log's text, cut into lines once; a line is taken apart when it is asked for."""

    def __init__(self, text: str) -> None:
        self.text = strip_ansi(text)
        self.lines = self.text.split("\n")
        self._foreign = _foreign_coat(self.lines[:_SAMPLE])
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def __len__(self) -> int:
        return len(self.lines)

    def offset(self, number: int) -> int:
        """Where line `number` begins in the text."""
        return self._starts[number]

    def number_at(self, offset: int) -> int:
        """The line that holds `offset`."""
        return bisect_right(self._starts, offset) - 1

    def line(self, number: int) -> LogLine:
        """Line `number` taken apart; of a progress bar, what is no bar, or else its last state."""
        raw = self.lines[number]
        if "\r" not in raw and "%|" not in raw:
            return read_line(raw, self._foreign)
        pieces = states(raw)
        telling = [piece for piece in pieces if read_progress(piece) is None]
        return read_line(telling[-1] if telling else pieces[-1], self._foreign)

    def holds(self, literal: str, run: Run) -> bool:
        """Whether `literal` is in the run."""
        return self.text.find(literal, self.offset(run.first), self.offset(run.end)) >= 0

    def find(self, literal: str, run: Run, begin: int | None = None) -> Iterator[int]:
        """The lines of `run`, from `begin` on, that hold `literal`."""
        position = self.offset(run.first if begin is None else begin)
        end = self.offset(run.end)
        while (position := self.text.find(literal, position, end)) >= 0:
            number = self.number_at(position)
            yield number
            position = self.offset(number + 1)

    def runs(self) -> list[Run]:
        """The log's runs, oldest first. What precedes the first start belongs to it."""
        whole = Run(0, len(self), len(self), ready=False)
        begins = {number for mark in _NEW_PROCESS for number in self.find(mark, whole)}
        if self.holds("systemd[", whole):
            begins |= {
                number
                for number in self.find(": Start", whole)
                if _SYSTEMD_START.search(self.lines[number])
            }
        edges = sorted(begins)[1:][-_MOST_RUNS:]
        return [
            self._run(first, end)
            for first, end in zip([0, *edges], [*edges, len(self)], strict=True)
        ]

    def _run(self, first: int, end: int) -> Run:
        run = Run(first, end, end, ready=False)
        goes = [next(self.find(_TOLD_TO_GO, run), end)]
        if self.holds("systemd[", run):
            goes += [
                number
                for number in self.find(": Stopp", run)
                if _SYSTEMD_STOP.search(self.lines[number])
            ]
        # Before vLLM 0.20 the server says only this; a server that crashes says it too, later.
        failed = next(self.find("ERROR", run), end)
        goes += [number for number in self.find("INFO:     Shutting down", run) if number < failed][
            :1
        ]
        return Run(first, end, min(goes), ready=self.holds(READY, run))

    def context(self, run: Run) -> dict[str, str]:
        """What the server was asked for: model, port, ctx, as far as the log tells."""
        for number in self.find("non-default args:", run):
            text = self.lines[number][:20_000]
            found = {name: pattern.search(text) for name, pattern in _ARGUMENTS.items()}
            return {name: match[1] for name, match in found.items() if match}
        return {}


def _foreign_coat(lines: Sequence[str]) -> re.Pattern[str] | None:
    """What precedes vLLM's own marks in several lines alike, numbers aside.

    Lines without such a mark, as those of a traceback, lose the coat too when it is known.
    """
    shapes: Counter[str] = Counter()
    for raw in lines:
        if "%|" in raw or not (" pid=" in raw or "O" in raw):
            continue
        text = take_coats(raw)[2]
        if width := foreign_width(text):
            shapes[re.sub(r"\d+", r"\\d+", re.escape(text[:width]))] += 1
    common = [shape for shape, times in shapes.most_common(_MOST_COATS) if times > 1]
    return re.compile("|".join(common)) if common else None
