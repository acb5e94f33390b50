"""Choose the lines to show for an error that no rule knows: the likeliest, and two others.

The likeliest is the line of the diagnosis. The second is the next line of the strongest form, often
the error of another process or the end of a chain, the third the last one of that form before the
end. Where too few lines have words of a failure, the failing program's output stands in: what it
printed last, its last warning, and what came right before the likeliest line.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from onecard.diagnosis.log import Log, ServerRun
from onecard.diagnosis.plain_lines import Strength, is_warning, lines_with_strength
from onecard.diagnosis.verdict import Diagnosis, LikelyLine

MOST = 3
_FORMS = (
    Strength.RAISED,
    Strength.STATED,
    Strength.WORDED,
    Strength.CONSEQUENCE,
    Strength.WARNED,
    Strength.HINTED,
)
_WIDTH = 600
# Words, and numbers that are codes rather than addresses or times.
_WORD = re.compile(r"[^\W\d_]{2,}|\b\d{1,3}\b")
# A line of which this share of the words is in another one repeats it.
_SAME = 0.85


def candidates(
    log: Log, run: ServerRun, found: Diagnosis, hidden: set[int]
) -> tuple[LikelyLine, ...]:
    """Return at most three lines that may state the error, none a repetition of another.

    found: the diagnosis; its line, if it has one, is the first. hidden: lines (counted from 0) of
        which is known that they do not state it.
    """
    chosen = [LikelyLine(found.line_number, found.line)] if found.line else []
    shown = [_words(found.cause)] if found.line else []
    for lines in _groups(log, run, found, hidden):
        while lines and len(chosen) < MOST:
            number = lines.pop() if len(chosen) == MOST - 1 else lines.popleft()
            text = log.line(number).message.strip()[:_WIDTH]
            words = _words(text)
            if not any(len(words & other) >= _SAME * len(words) for other in shown):
                chosen.append(LikelyLine(number + 1, text))
                shown.append(words)
    return tuple(chosen)


def _groups(log: Log, run: ServerRun, found: Diagnosis, hidden: set[int]) -> Iterator[deque[int]]:
    """Yield the lines that may state the error, the surest group first."""
    lines = list(lines_with_strength(log, run, hidden))
    output = [
        number
        for number, strong in lines
        if strong == Strength.NONE and log.line(number).level not in ("INFO", "DEBUG")
    ]
    before = [number for number in output if number + 1 < found.line_number][-1:]
    for form in _FORMS:
        # Of a service systemd's lines say only that it ended; its program spoke before them.
        if form == Strength.CONSEQUENCE and found.rule is not None:
            yield deque(before)
        yield deque(number for number, strong in lines if strong == form)
    warnings = [number for number in output if is_warning(log.line(number))]
    for last in (output[-1:], warnings[-1:], before, output[-2:-1]):
        yield deque(last)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
