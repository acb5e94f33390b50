"""One line of a server's log, taken apart: who wrote it, how loud, when, and what it says.

A line reaches us in many coats, one inside the other:

    Nov 23 08:31:09 box vllm[123]: (APIServer pid=1) INFO 11-23 08:31:15 [core.py:133] text
    └ journal (short or ISO)       └ vLLM's process  └ level, time, place              └ message

Each coat is optional. One that is not known is cut off where vLLM's own begins behind it. A
progress bar writes many states into one line, parted by carriage returns. Nothing here raises: what
is not understood stays in the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Longer than any message that matters; keeps a line of binary junk from costing anything.
LONGEST = 20_000

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\^_])")
# The same as text: what rsyslog (#033, #015), cat -v (^[, ^M) and JSON make of control characters.
_ANSI_AS_TEXT = re.compile(
    r"(?:#033|\^\[|\\x1b|\\033|\\u001b)\[[0-9;]{0,20}[mKA]|(?:#015|\^M)+(?=\n|$)"
)
_TEXT_ESCAPES = ("#033[", "^[[", "\\x1b[", "\\033[", "\\u001b[", "#015", "^M")
_JOURNAL = re.compile(
    r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
    r" [^\s:]{1,255} (?P<program>[^\s\[\]:]{1,64})(?:\[(?P<pid>\d{1,10})\])?: ?"
)
_CONTAINER = re.compile(
    r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z (?:std(?:out|err) [FP] )?"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})? "
    r"|\[\d{4}-\d\d-\d\d[T ][\d:.,]{5,20}(?:Z|[+-]\d\d:?\d\d)?\] "
    r"|\| (?:TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL) {0,4} \| [^|]{1,80}?(?: \||:\d+ -) "
    r"|[\w.-]{1,64} +\| |> )"
)
# Python draws the exceptions of a group behind bars: `    | ValueError: text`.
_GROUP_BAR = re.compile(r" {2,40}(?:\| |\+ (?=Exception Group Traceback))")
_KERNEL_CLOCK = re.compile(
    r"\[ *\d{1,10}\.\d{6}\] |\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}\] "
)
_PROCESS = re.compile(
    r"\((?P<name>[A-Za-z][^\s()]{0,60})(?: [\w=]{1,20})? pid=(?P<pid>\d{1,10})"
    r"(?:, [^()]{0,80})?\) ?"
)
_RANK = re.compile(r"\[rank\d{1,5}\]:\s?")
_STAMP = re.compile(
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)"
    r"(?: (?P<month>\d\d)-(?P<day>\d\d) (?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,]\d{1,6})?)?"
    r" \[?(?P<place>[\w./<>-]{1,120}\.py:\d{1,6})\](?: |$)"
)
# Where vLLM's own begins behind a coat that is not known.
_MARK = re.compile(
    r"\([A-Z][\w.]{0,60}(?: [\w=]{1,20})? pid=\d{1,10}(?:, [^()]{0,80})?\) "
    r"|\[rank\d{1,5}\]:"
    r"|\b(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d[:. ]"
)
_WIDEST_COAT = 160
_SERVER_LEVEL = re.compile(r"(?P<level>INFO|WARNING|ERROR|CRITICAL): {2,8}")
# A process may begin to write in the very line where another's progress bar stands.
_AFTER_BAR = re.compile(r"(?<=[\])])(?=\([A-Za-z][\w.]{0,60} pid=\d{1,10}\) )")
_DAYS_BEFORE_MONTH = (0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335)


@dataclass(frozen=True)
class LogLine:
    """A line without its coats.

    program: the journal's word for the writer (`vllm`, `systemd`, `kernel`), else empty.
    program_pid: that program's process number in the journal, else empty.
    process: vLLM's name for the process (`EngineCore`, `Worker_TP0`), else empty.
    pid: that process's number, else empty.
    level: INFO, WARNING, ERROR, ... or empty when the line carries none.
    place: `file.py:line` of vLLM's source, else empty.
    clock: seconds since the year began by vLLM's own stamp, which names no year; else None.
    message: the rest, with its indentation kept.
    """

    program: str
    program_pid: str
    process: str
    pid: str
    level: str
    place: str
    clock: float | None
    message: str

    @property
    def writer(self) -> tuple[str, str, str, str]:
        """What keeps the lines of interleaved processes apart."""
        return self.program, self.program_pid, self.process, self.pid


def strip_ansi(text: str) -> str:
    """`text` without terminal colours and cursor movements, be they bytes or spelled out."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if any(escape in text for escape in _TEXT_ESCAPES):
        text = _ANSI_AS_TEXT.sub("", text)
    return text


def foreign_width(text: str) -> int:
    """How much of a line, its known coats taken off, precedes vLLM's own mark (a process, or a
    level with a time); 0 for a line that begins with one, or has none near its beginning."""
    match = _MARK.search(text, 0, 2 * _WIDEST_COAT)
    return match.start() if match and match.start() <= _WIDEST_COAT else 0


def states(raw: str) -> list[str]:
    """The states that a progress bar wrote into one line; an ordinary line is its only state."""
    text = raw.rstrip("\r\n")
    parts = text.split("\r") if "\r" in text else [text]
    if "%" in text and " pid=" in text:
        parts = [piece for part in parts for piece in _AFTER_BAR.split(part)]
    return [part for part in parts if part.strip()] or [""]


def read_line(raw: str, foreign: re.Pattern[str] | None = None) -> LogLine:
    """Take one line apart.

    raw: a line or a bar's state, with or without its line end. foreign: a coat that this log has
    and that is not known here.
    """
    program, program_pid, text = take_coats(raw)
    process = pid = level = place = ""
    clock = None
    if foreign is not None and (match := foreign.match(text)):
        text = text[match.end() :]
    text = text[foreign_width(text) :]
    while text.startswith("(") and (match := _PROCESS.match(text)):
        process, pid = match["name"], match["pid"]
        text = text[match.end() :]
    while text.startswith("[rank") and (match := _RANK.match(text)):
        text = text[match.end() :]
    if match := _STAMP.match(text):
        level, place = match["level"], match["place"]
        if match["clock"]:
            clock = _seconds(match["month"], match["day"], match["clock"])
        text = text[match.end() :]
    elif match := _SERVER_LEVEL.match(text):
        level = match["level"]
        text = text[match.end() :]
    return LogLine(program, program_pid, process, pid, level, place, clock, text)


def take_coats(raw: str) -> tuple[str, str, str]:
    """A line's program and its process number in the journal (may be empty), and the line without
    the coats of journal, containers and terminals."""
    text = strip_ansi(raw[:LONGEST]).rstrip("\r\n")
    program = program_pid = ""
    while match := _CONTAINER.match(text):
        text = text[match.end() :]
    if match := _JOURNAL.match(text):
        program, program_pid = match["program"], match["pid"] or ""
        text = text[match.end() :]
    if text.startswith("[") and (match := _KERNEL_CLOCK.match(text)):
        text = text[match.end() :]
    if text.startswith("  ") and (match := _GROUP_BAR.match(text)):
        text = text[match.end() :]
    return program, program_pid, text


def _seconds(month: str, day: str, clock: str) -> float | None:
    """Seconds since a leap year began; None for a month that is none."""
    if not 1 <= int(month) <= len(_DAYS_BEFORE_MONTH):
        return None
    hours, minutes, seconds = (*(int(part) for part in clock.split(":")), 0)[:3]
    days = _DAYS_BEFORE_MONTH[int(month) - 1] + int(day)
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
