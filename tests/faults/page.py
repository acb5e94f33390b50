"""Reads and writes docs/reliability.md, the table of all tries of the matrix."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.fault import Fault, Outcome
from tests.faults.work import Work

INTRODUCTION = """\
# Reliability

`make faults` provokes faults on a sandbox box, over SSH, with the real server: while a command runs the
controller is killed, the connection is cut, a disk is full, another program holds a lock. Then the same
command runs again, once, without the fault. A whole run writes this page anew; one of some rows
(`make faults ONLY='Ctrl-C'`) adds its tries, so the table may be of several partial runs. Only tries
after a row's last change count.

- **converged**: the next run ended with exit code 0 and left nothing to do.
- **lost**: a release, a line of a record (but for the one in which the controller was killed), the API
  key, a file that is not onecard's; or neither the old release nor the new one served.
- **doubled**: a second release for one deploy, a second server, a file that stayed half written.
- **tracebacks**: of Python, in the output of either run.
- **message**: the exit code is right, and the message names what happened, where, and what to do.

Ctrl-C in the first tenths of a second, while Python loads Invoke and nothing of onecard runs yet, shows
Python's own traceback; such a try is drawn again.
"""
HEAD = ("fault", "while", "tries", "converged", "lost", "doubled", "tracebacks", "message")


@dataclass
class Row:
    """One fault in one command, and what its tries found.

    earlier: the numbers of the page's line, of the runs before.
    """

    fault: Fault
    work: Work
    earlier: tuple[int, ...] = (0,) * 6
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return what --only finds it by."""
        return f"{self.fault.name}, {self.work.name}"

    @property
    def trouble(self) -> list[str]:
        """Return every line of what is not as it has to be."""
        return [line for outcome in self.outcomes for line in outcome.trouble]

    def counts(self) -> tuple[int, ...]:
        """Return the numbers of the table's line: those of HEAD from `tries` on."""
        now = (
            len(self.outcomes),
            sum(not each.not_converged for each in self.outcomes),
            sum(bool(each.lost) for each in self.outcomes),
            sum(bool(each.doubled) for each in self.outcomes),
            sum(bool(each.tracebacks) for each in self.outcomes),
            sum(not each.wrong_messages for each in self.outcomes),
        )
        return tuple(map(sum, zip(self.earlier, now, strict=True)))

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table; a message that nothing is required of has a dash."""
        *numbers, messages = map(str, self.counts())
        asserted = self.fault.says or self.fault.codes
        return (self.fault.name, self.work.name, *numbers, messages if asserted else "–")


def read_page(path: Path, rows: Sequence[Row]) -> None:
    """Add the numbers of a page to its rows; a row that is no longer tried is dropped."""
    lines = (line.strip("| ").split(" | ") for line in path.read_text().splitlines())
    found = {", ".join(cells[:2]): cells[2:] for cells in lines if len(cells) == len(HEAD)}
    for row in rows:
        if cells := found.get(row.name):
            row.earlier = tuple(int(cells[0] if cell == "–" else cell) for cell in cells)


def write_page(path: Path, rows: Sequence[Row]) -> None:
    """Write the table of the rows that were tried, and the names of the others."""
    tried = [row for row in rows if row.counts()[0]]
    tries, converged, lost, doubled, tracebacks, messages = (
        sum(numbers) for numbers in zip(*(row.counts() for row in tried), strict=True)
    )
    today = datetime.datetime.now(datetime.timezone.utc).date()
    summary = (
        f"Last run on {today}, on {platform.system()} with Python {platform.python_version()}. "
        f"In all, of {tries} faults: {tries - converged} not converged, {lost} lost, "
        f"{doubled} doubled, {tracebacks} tracebacks, {tries - messages} wrong messages.\n"
    )
    table = [HEAD, tuple("---" for _ in HEAD), *(row.cells() for row in tried)]
    untried = [row.name for row in rows if not row.counts()[0]]
    rest = f"\nNot tried yet: {'; '.join(untried)}.\n" if untried else ""
    path.write_text("\n".join([INTRODUCTION, summary, *_lines(table), rest]))


def _lines(table: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in table]
