"""Errors in lines that no traceback holds and no rule knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from onecard.diagnosis.exceptions import GROUPS, HARMLESS_LEVELS, is_of_a_request
from onecard.diagnosis.log import Log, Run
from onecard.diagnosis.verdict import Diagnosis, from_line, from_mention
from onecard.start.line import LogLine

_ERROR_LINE = re.compile(
    r"E: |ERROR: |[Ee]rror: |fatal: |dpkg: error |.{0,200}: (?:fatal )?error: "
)
# `ValueError: text`, or a class with its module: `triton.runtime.errors.OutOfResources: text`.
_EXCEPTION_LINE = re.compile(
    r"(?:(?:[a-zA-Z_]\w{0,80}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception)"
    r"|(?:[a-z_]\w{0,80}\.){1,8}[A-Z]\w{0,80}(?=: ))(?:: |$)"
)
# Words of an error in a line that is none of the forms above.
_MENTION = re.compile(
    r"\b\w*Error\b|\b(?:fatal|FATAL|[Ff]ailed|[Ii]nvalid|[Uu]nable to|[Cc]annot)\b"
)
# Ways to go that are no error.
LEAVING = ("SystemExit", "KeyboardInterrupt", "CancelledError", *GROUPS)


def _loud_lines(log: Log, run: Run) -> Iterator[tuple[int, LogLine]]:
    for number in range(run.first, run.quiet_from):
        line = log.line(number)
        if line.level not in HARMLESS_LEVELS:
            yield number, line


def lone_exception(log: Log, run: Run, hidden: set[int]) -> int | None:
    """The first line that names an exception, its traceback's head cut off."""
    for number, line in _loud_lines(log, run):
        name = _EXCEPTION_LINE.match(line.message)
        if name is None or number in hidden or is_of_a_request(line):
            continue
        if name[0].rstrip(": ").rpartition(".")[2] not in LEAVING:
            return number
    return None


def from_error_line(log: Log, run: Run) -> Diagnosis | None:
    """The first line that calls itself an error; one that only speaks of it is no failure."""
    mention: int | None = None
    for number, line in _loud_lines(log, run):
        if line.level or _ERROR_LINE.match(line.message):
            return from_line(log, number)
        if mention is None and _MENTION.search(line.message):
            mention = number
    return None if mention is None else from_mention(log, mention)
