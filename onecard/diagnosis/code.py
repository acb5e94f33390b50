"""Detect Python source in a log: lines of a traceback that are not output of the program."""

from __future__ import annotations

from onecard.diagnosis.exceptions import FRAME
from onecard.diagnosis.log import Log

# A statement in a traceback is seldom longer.
_MOST_LINES = 12
_INDENT = ("    ", "\t")


def is_code(log: Log, number: int) -> bool:
    """Return whether line `number` is the source line of a traceback's frame."""
    line = log.line(number)
    if not line.message.startswith(_INDENT):
        return False
    indent = _indent(line.message)
    if line.message.lstrip().startswith(("raise ", "assert ")):
        return True
    for before in range(number - 1, max(-1, number - _MOST_LINES), -1):
        other = log.line(before)
        if other.writer != line.writer:
            continue
        if FRAME.match(other.message):
            # A traceback that another program's output quotes is indented as a whole.
            return _indent(other.message) < indent
        if not other.message.startswith(_INDENT):
            return False
    return False


def _indent(message: str) -> int:
    return len(message) - len(message.lstrip())
