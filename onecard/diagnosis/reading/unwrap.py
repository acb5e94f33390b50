"""Join the lines of a log that a terminal or a form has wrapped.

A wrapped log has a widest line, and each line that was cut is about as wide: the word after it
would not have fitted (wrapped at words), or it is exactly as wide (wrapped at any character).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from onecard.startup_log.line import read_line

# Terminals and forms; a wider line is a program's own.
_NARROWEST, _WIDEST = 40, 250
# Text that was pasted is short.
_MOST_LINES = 5_000
_FRESH = re.compile(r"\s{2}|\t|Traceback |File \"|(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)\b")


@dataclass(frozen=True)
class Joined:
    """A text with joined lines; numbers: of each line, that of its first in the original."""

    text: str
    numbers: tuple[int, ...]


def unwrapped(text: str) -> Iterator[Joined]:
    """Yield `text` with its wrapped lines joined, once for each way of wrapping it may have."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    width = max((len(line) for line in lines if " " in line), default=0)
    if not _NARROWEST <= width <= _WIDEST or len(lines) > _MOST_LINES:
        return
    at_words, anywhere = (_join(lines, width, at_words=way) for way in (True, False))
    # Wrapped at any character, no line is shorter; then the first way joins no others.
    shorter = len(at_words.numbers) < len(anywhere.numbers)
    for joined in (at_words, anywhere) if shorter else (anywhere, at_words):
        if len(joined.numbers) < len(lines):
            yield joined


def _join(lines: list[str], width: int, *, at_words: bool) -> Joined:
    texts: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(lines):
        if number and _is_continued(lines[number - 1], line, width, at_words=at_words):
            between = " " if at_words else ""
            texts[-1] += between + line
        else:
            texts.append(line)
            numbers.append(number)
    return Joined("\n".join(texts), tuple(numbers))


def _is_continued(line: str, after: str, width: int, *, at_words: bool) -> bool:
    if not after or _FRESH.match(after):
        return False
    rest = read_line(after)
    if rest.program or rest.process or rest.level or rest.message != after:
        return False
    if at_words:
        return len(line) + 1 + len(after.split(" ", 1)[0]) > width
    return len(line) == width
