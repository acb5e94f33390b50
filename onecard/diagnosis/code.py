"""Python source in a log: what a traceback shows of the program, not what the program said."""

from __future__ import annotations

from onecard.diagnosis.exceptions import FRAME
from onecard.diagnosis.log import Log

# A statement that a traceback shows in full is seldom longer.
_MOST_LINES = 12
_INDENT = ("    ", "\t")


def is_code(log: Log, number: int) -> bool:
    """Whether line `number` is the source of a frame, shown below it."""
    line = log.line(number)
    if not line.message.startswith(_INDENT):
        return False
    if line.message.lstrip().startswith(("raise ", "assert ")):
        return True
    for before in range(number - 1, max(-1, number - _MOST_LINES), -1):
        other = log.line(before)
        if other.writer != line.writer:
            continue
        if FRAME.match(other.message):
            return True
        if not other.message.startswith(_INDENT):
            return False
    return False
