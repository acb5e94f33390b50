"""Parse one line of a server's log: its writer, level, time and message.

A line may have several prefixes, one inside the other:

    Nov 23 08:31:09 box vllm[123]: (APIServer pid=1) INFO 11-23 08:31:15 [core.py:133] text
    └ journal (short or ISO)       └ vLLM's process  └ level, time, place              └ message

Each prefix is optional. An unknown one is removed up to vLLM's own prefix after it. A progress bar
writes many states into one line, separated by carriage returns. Nothing here raises: text that
cannot be parsed stays in the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Longer than any message that matters; bounds the time for a line of binary data.
LONGEST = 20_000

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\^_])")
# The same as text: control characters as written by rsyslog (#033, #015), cat -v (^[, ^M) and JSON.
_ANSI_AS_TEXT = re.compile(
    r"(?:#033|\^\[|\\x1b|\\033|\\u001b)\[[0-9;]{0,20}[mKA]|(?:#015|\^M)+(?=\n|$)"
)
_TEXT_ESCAPE = re.compile(r"#0(?:33\[|15)|\^(?:\[\[|M)|\\(?:x1b|033|u001b)\[")
_JOURNAL = re.compile(
    # The month may be in any language: `Nov`, `mai`, `nov.`, `10月`.
    r"(?:(?:[^\W\d_]{3,5}\.?|\d{1,2}月) [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Z+-][\w+:-]{1,8}"
    r"|\d{9,11}\.\d{6}|\[ *\d{1,10}\.\d{6}\])"
    r" (?:[^\s:]{1,255} |(?=[^\s\[\]:]{1,64}\[\d{1,10}\]: ))"
    r"(?P<program>[^\s\[\]:]{1,64})(?:\[(?P<pid>\d{1,10})\])?: ?"
)
_CONTAINER = re.compile(
    r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?"
    r"(?:Z (?:std(?:out|err) [FP] )?|[+-]\d\d:?\d\d (?:std(?:out|err) [FP] |(?![^\s:]+ [^\s:]+: )))"
    r"|\[pod/[^\]\s]{1,200}\] "
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})? "
    r"|\[\d{4}-\d\d-\d\d[T ][\d:.,]{5,20}(?:Z|[+-]\d\d:?\d\d)?\] "
    r"|\| (?:TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL) {0,4} \| [^|]{1,80}?(?: \||:\d+ -) "
    r"|#\d{1,3} \d{1,6}\.\d{1,3} "
    r"|[\w.-]{1,64} +\| |> )"
)
# Python prints the exceptions of a group after bars: `    | ValueError: text`.
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
    r"(?P<time> (?P<month>\d\d)-(?P<day>\d\d) (?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,]\d{1,6})?)?"
    r"(?: \[?(?P<place>[\w./<>-]{1,120}\.py:\d{1,6})\]|(?(time)|(?!)))(?: |$)"
)
# Where vLLM's own prefix begins after an unknown one.
_MARK = re.compile(
    r"\([A-Z][\w.]{0,60}(?: [\w=]{1,20})? pid=\d{1,10}(?:, [^()]{0,80})?\) "
    r"|\[rank\d{1,5}\]:"
    r"|\b(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d[:. ]"
)
_WIDEST_PREFIX = 160
_SERVER_LEVEL = re.compile(r"(?P<level>INFO|WARNING|ERROR|CRITICAL): {2,8}")
# A process may write to the same line as another's progress bar.
_AFTER_BAR = re.compile(r"(?<=[\])])(?=\([A-Za-z][\w.]{0,60} pid=\d{1,10}\) )")
_DAYS_BEFORE_MONTH = (0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335)


@dataclass(frozen=True)
class LogLine:
    """A line without its prefixes.

    program: the writer's name in the journal (`vllm`, `systemd`, `kernel`), else empty.
    program_pid: that program's process number in the journal, else empty.
    process: vLLM's name for the process (`EngineCore`, `Worker_TP0`), else empty.
    pid: that process's number, else empty.
    level: INFO, WARNING, ERROR, ... or empty when the line carries none.
    place: `file.py:line` of vLLM's source, else empty.
    clock: seconds since the year began by vLLM's own stamp, which names no year; else None.
    message: the rest, with its indentation.
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
        """Return the key that separates the lines of interleaved processes."""
        return self.program, self.program_pid, self.process, self.pid


def strip_ansi(text: str) -> str:
    """Return `text` without terminal colours and cursor movements, as bytes or as text."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if _TEXT_ESCAPE.search(text):
        text = _ANSI_AS_TEXT.sub("", text)
    return text


def unknown_prefix_width(text: str) -> int:
    """Return the width of an unknown prefix, of a line without its known prefixes.

    It ends at vLLM's own mark (a process, or a level with a time); 0 for a line that begins with
    one, or has none near its beginning.
    """
    match = _MARK.search(text, 0, 2 * _WIDEST_PREFIX)
    return match.start() if match and match.start() <= _WIDEST_PREFIX else 0


def states(raw: str) -> list[str]:
    """Return the states that a progress bar wrote into one line; an ordinary line is one state."""
    text = raw.rstrip("\r\n")
    parts = text.split("\r") if "\r" in text else [text]
    if "%" in text and " pid=" in text:
        parts = [piece for part in parts for piece in _AFTER_BAR.split(part)]
    return [part for part in parts if part.strip()] or [""]


def read_line(raw: str, foreign: re.Pattern[str] | None = None) -> LogLine:
    """Parse one line.

    raw: a line or a bar's state, with or without its line end. foreign: an unknown prefix that this
    log has.
    """
    program, program_pid, text = strip_prefixes(raw)
    process = pid = level = place = ""
    clock = None
    if foreign is not None and (match := foreign.match(text)):
        text = text[match.end() :]
    text = text[unknown_prefix_width(text) :]
    while text.startswith("(") and (match := _PROCESS.match(text)):
        process, pid = match["name"], match["pid"]
        text = text[match.end() :]
    while text.startswith("[rank") and (match := _RANK.match(text)):
        text = text[match.end() :]
    if match := _STAMP.match(text):
        level, place = match["level"], match["place"] or ""
        if match["clock"]:
            clock = _seconds(match["month"], match["day"], match["clock"])
        text = text[match.end() :]
    elif match := _SERVER_LEVEL.match(text):
        level = match["level"]
        text = text[match.end() :]
    return LogLine(program, program_pid, process, pid, level, place, clock, text)


def strip_prefixes(raw: str) -> tuple[str, str, str]:
    """Return a line's program, its pid in the journal (both may be empty), and the rest.

    The rest has no prefix of a journal, a container or a terminal.
    """
    text = strip_ansi(raw[:LONGEST]).rstrip("\r\n").replace("&nbsp;", " ")
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
    """Return the seconds since a leap year began; None for an invalid month."""
    if not 1 <= int(month) <= len(_DAYS_BEFORE_MONTH):
        return None
    hours, minutes, seconds = (*(int(part) for part in clock.split(":")), 0)[:3]
    days = _DAYS_BEFORE_MONTH[int(month) - 1] + int(day)
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
