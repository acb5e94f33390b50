"""Find the errors that wrappers quote; their tracebacks are often in another log, or lost."""

from __future__ import annotations

import re

from onecard.diagnosis.code import is_code
from onecard.diagnosis.exceptions import HARMLESS_LEVELS, Raised
from onecard.diagnosis.log import Log, ServerRun

# `RuntimeError: Worker failed with error 'text', please check the stack trace above ...`, or,
# before vLLM 0.8, `Exception in worker VllmWorkerProcess while processing method load_model: text`.
_WRAPPERS = ("Worker failed with error ", "while processing method ")
_QUOTE = re.compile(
    r"Worker failed with error (?P<worker>.*)"
    r"|Exception in worker \w+ while processing method \w+: (?P<method>.*)"
)
_END = re.compile(r"['\"], please check the stack trace|,? Traceback \(most recent call last")
_PLEASE_CHECK = "', please check the stack trace"
_MOST_LINES = 20


def quotes(log: Log, run: ServerRun) -> list[Raised]:
    """The errors that the wrappers of `run` quote, in order."""
    found: list[Raised] = []
    for number in sorted(number for wrapper in _WRAPPERS for number in log.find(wrapper, run)):
        line = log.line(number)
        match = _QUOTE.search(line.message)
        if match is None or line.level in HARMLESS_LEVELS or is_code(log, number):
            continue
        text = match["worker"] if match["worker"] is not None else match["method"]
        if match["worker"] is not None and not _END.search(text):
            text = _last_line(log, run, number) or text
        text = _END.split(text.removeprefix("'").removeprefix('"'))[0].strip()
        if text:
            lines = frozenset((number,))
            found.append(Raised("", text, number, number, number + 1, (), lines, True, False))
    return found


def _last_line(log: Log, run: ServerRun, number: int) -> str:
    """What a quote of several lines ends with: of an error that a compiler tells, the error."""
    writer = log.line(number).writer
    for after in range(number + 1, min(run.end, number + _MOST_LINES)):
        line = log.line(after)
        if line.writer == writer and _PLEASE_CHECK in line.message:
            return line.message
    return ""
