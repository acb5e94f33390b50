"""Writes docs/reliability.md from a run of the matrix."""

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
command runs again, once, without the fault. This page is its last run.

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
    """One fault in one command, and what its tries found."""

    fault: Fault
    work: Work
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return what --only finds it by."""
        return f"{self.fault.name}, {self.work.name}"

    @property
    def trouble(self) -> list[str]:
        """Return every line of what is not as it has to be."""
        return [line for outcome in self.outcomes for line in outcome.trouble]

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        tries = len(self.outcomes)
        asserted = self.fault.says or self.fault.codes
        return (
            self.fault.name, self.work.name, str(tries),
            str(sum(not each.not_converged for each in self.outcomes)),
            str(sum(bool(each.lost) for each in self.outcomes)),
            str(sum(bool(each.doubled) for each in self.outcomes)),
            str(sum(bool(each.tracebacks) for each in self.outcomes)),
            str(sum(not each.wrong_messages for each in self.outcomes)) if asserted else "–",
        )  # fmt: skip


def write_page(path: Path, rows: Sequence[Row], seed: str, seconds: float) -> None:
    """Write the table of the rows that were tried, and the names of the others."""
    tried = [row for row in rows if row.outcomes]
    faults = sum(len(row.outcomes) for row in tried)
    wrong = sum(bool(outcome.trouble) for row in tried for outcome in row.outcomes)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    summary = (
        f"{today}: {faults} faults in {seconds / 60:.0f} minutes, seed {seed}, on "
        f"{platform.system()} with Python {platform.python_version()}; "
        f"{wrong} of them ended otherwise than they have to.\n"
    )
    table = [HEAD, tuple("---" for _ in HEAD), *(row.cells() for row in tried)]
    untried = [row.name for row in rows if not row.outcomes]
    rest = f"\nNot tried in this run: {'; '.join(untried)}.\n" if untried else ""
    path.write_text("\n".join([INTRODUCTION, summary, *_lines(table), rest]))


def _lines(table: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in table]
