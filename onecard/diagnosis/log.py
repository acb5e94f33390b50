"""A saved log: its lines, and the server's runs in it.

A journal holds many starts, of which one has failed, so each is diagnosed separately.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onecard.startup_log.line import (
    LogLine,
    read_line,
    states,
    strip_ansi,
    strip_prefixes,
    unknown_prefix_width,
)
from onecard.startup_log.progress import read_progress

READY = "Application startup complete."
# A log that begins later shows that the server answers by its answers.
_ANSWER = re.compile(r"\"(?:POST|GET) /(?:v1/|health)[^\"]{0,200}\" 200|throughput: [1-9]")
_NEW_PROCESS = ("█  version ", "vLLM API server version")
_SYSTEMD_START = re.compile(r"systemd\[\d+\]: Start(?:ing|ed) ")
# `journalctl -o cat` omits the writer; the unit's name, or its description, identifies systemd.
_SYSTEMD_STOP = re.compile(r"systemd\[\d+\]: Stopp(?:ing|ed) |^Stopping (?:vllm\.service|vLLM) ")
# Before it starts a unit that failed once more, systemd calls it stopped.
_RESTART = re.compile(r"Scheduled restart job|scheduling restart")
# A unit may have restarted for weeks; the runs before the newest ones count as one.
_MOST_RUNS = 50
_SHUTDOWN = "[shutdown] API server: shutdown triggered"
# Lines searched for an unknown prefix, and how many kinds of it a log may have.
_SAMPLE = 5_000
_MOST_PREFIXES = 8
_ARGUMENTS = {
    "model": re.compile(r"'model': '([^']{1,200})'"),
    "port": re.compile(r"'port': (\d{1,5})\b"),
    "ctx": re.compile(r"'max_model_len': (\d{1,9})\b"),
}


@dataclass(frozen=True)
class ServerRun:
    """One run of the server: lines `first` up to, not including, `end` (both counted from 0).

    quiet_from: the line from which errors are those of a server that shuts down.
    ready: whether the API came up, or answered a request.
    """

    first: int
    end: int
    quiet_from: int
    ready: bool


class Log:
    """A log's text, split into lines once; a line is parsed when it is requested."""

    def __init__(self, text: str) -> None:
        self.text = strip_ansi(text)
        self.lines = self.text.split("\n")
        self._foreign = _unknown_prefix(self.lines[:_SAMPLE])
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def __len__(self) -> int:
        return len(self.lines)

    def offset(self, number: int) -> int:
        """Return the offset of line `number` in the text."""
        return self._starts[number]

    def number_at(self, offset: int) -> int:
        """Return the number of the line at `offset`."""
        return bisect_right(self._starts, offset) - 1

    def line(self, number: int) -> LogLine:
        """Parse line `number`; of progress bars, other text in the line, or else the last state."""
        raw = self.lines[number]
        if "\r" not in raw and "%|" not in raw:
            return read_line(raw, self._foreign)
        pieces = states(raw)
        others = [piece for piece in pieces if read_progress(piece) is None]
        return read_line(others[-1] if others else pieces[-1], self._foreign)

    def holds(self, literal: str, run: ServerRun) -> bool:
        """Whether `literal` is in the run."""
        return self.text.find(literal, self.offset(run.first), self.offset(run.end)) >= 0

    def find(self, literal: str, run: ServerRun, begin: int | None = None) -> Iterator[int]:
        """The lines of `run`, from `begin` on, that hold `literal`."""
        position = self.offset(run.first if begin is None else begin)
        end = self.offset(run.end)
        while (position := self.text.find(literal, position, end)) >= 0:
            number = self.number_at(position)
            yield number
            position = self.offset(number + 1)

    def runs(self) -> list[ServerRun]:
        """The log's runs, oldest first. What precedes the first start belongs to it."""
        whole = ServerRun(0, len(self), len(self), ready=False)
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

    def _run(self, first: int, end: int) -> ServerRun:
        run = ServerRun(first, end, end, ready=False)
        goes = [next(self.find(_SHUTDOWN, run), end)]
        goes += [
            number
            for number in self.find("Stopp", run)
            if _SYSTEMD_STOP.search(self.lines[number])
            and not _RESTART.search(self.lines[number - 1])
        ]
        # Before vLLM 0.20 a shutdown logs only this; so does a crash, but after an error.
        failed = next(self.find("ERROR", run), end)
        goes += [number for number in self.find("INFO:     Shutting down", run) if number < failed][
            :1
        ]
        begin, stop = self.offset(first), self.offset(end)
        ready = self.holds(READY, run) or bool(_ANSWER.search(self.text, begin, stop))
        return ServerRun(first, end, min(goes), ready)

    def context(self, run: ServerRun) -> dict[str, str]:
        """What the server was started with: model, port, ctx, as far as the log says."""
        for number in self.find("non-default args:", run):
            text = self.lines[number][:20_000]
            found = {name: pattern.search(text) for name, pattern in _ARGUMENTS.items()}
            return {name: match[1] for name, match in found.items() if match}
        return {}


def _unknown_prefix(lines: Sequence[str]) -> re.Pattern[str] | None:
    """Return a pattern of the prefixes before vLLM's own mark that several lines share.

    Numbers may differ. It also removes the prefix of lines without a mark, as in a traceback.
    """
    shapes: Counter[str] = Counter()
    for raw in lines:
        if "%|" in raw or not (" pid=" in raw or "O" in raw):
            continue
        text = strip_prefixes(raw)[2]
        if width := unknown_prefix_width(text):
            shapes[re.sub(r"\d+", r"\\d+", re.escape(text[:width]))] += 1
    common = [shape for shape, times in shapes.most_common(_MOST_PREFIXES) if times > 1]
    return re.compile("|".join(common)) if common else None
