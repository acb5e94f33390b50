"""Parse Python exceptions in a log with interleaved lines of several processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from onecard.diagnosis.log import Log, ServerRun
from onecard.startup_log.line import LogLine

TRACEBACK = "Traceback (most recent call last)"
FRAME = re.compile(
    r'\s*File ["“](?P<file>[^"”]{1,400})["”], line (?P<line>\d+), in (?P<name>.{1,100})'
)
# A class's name at the line's very beginning: `ValueError: text`, `torch.OutOfMemoryError: text`,
# `AssertionError`.
_EXCEPTION = re.compile(
    r"(?P<type>(?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,80})(?:: ?(?P<message>.*)|$)"
)
_CHAINED = (
    "During handling of the above exception",
    "The above exception was the direct cause",
)
_FRAME_HEAD = '  File "'
_FRAME_INDENT = 2
# A group has only their number; the exceptions in it follow.
GROUPS = ("ExceptionGroup", "BaseExceptionGroup")
# What the API logs when a request fails; the server goes on.
_REQUEST_HEADERS = ("Exception in ASGI application", "Error in preprocessing prompt inputs")
_REQUEST_PLACE = re.compile(r"(?:serving\w*|chat_utils)\.py:\d")
_REQUEST_FILES = ("/starlette/middleware/", "/fastapi/routing.py", "/entrypoints/openai/serving")
HARMLESS_LEVELS = ("INFO", "WARNING", "DEBUG")
_FATAL_HEADERS = (
    "failed to start",
    "fatal error",
    "hit an exception",
    "WorkerProc failed",
    "background task failed",
)
# Python could not raise it, as in a destructor.
_HARMLESS_HEADER = "Exception ignored in"
_FATAL_FILES = ("/bin/vllm", "multiprocessing/process.py", "multiprocessing/spawn.py")
# A message may continue after its first line; at most this much belongs to the exception.
_MESSAGE_LINES = 20
_MOST_LINES = 600
_MOST_EXCEPTIONS = 400


@dataclass(frozen=True)
class Raised:
    """One exception in a log.

    first, number, end: the lines (counted from 0) of its traceback's head, of its type, and the
        line after its message.
    frames: the last frames, `file:line in function`, outermost first.
    fatal: it ended a process, or an engine's start.
    harmless: it was logged as a warning or less: it was caught.
    request: it ended a request to the API, not the server.
    continued: another exception was raised while this one was handled.
    """

    type: str
    message: str
    first: int
    number: int
    end: int
    frames: tuple[str, ...]
    lines: frozenset[int]
    fatal: bool
    harmless: bool
    request: bool = False
    continued: bool = False

    @property
    def text(self) -> str:
        """Return `Type: message`."""
        return ": ".join(part for part in (self.type, self.message) if part)


@dataclass
class _Writer:
    """The state of one process's output: an open traceback, and its lines so far."""

    header: str = ""
    open: bool = False
    first: int = 0
    frames: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    indent: int = 0  # of a traceback that another program's message quotes
    done: int | None = None  # index of the exception whose message may continue


def exceptions(log: Log, run: ServerRun) -> list[Raised]:
    """The exceptions of one run in the order of the lines that name them."""
    begin = min(
        (number for head in (TRACEBACK, _FRAME_HEAD) for number in islice(log.find(head, run), 1)),
        default=None,
    )
    if begin is None:
        return []
    found: list[Raised] = []
    writers: dict[tuple[str, str, str, str], _Writer] = {}
    for number, line in _lines(log, max(run.first, begin - 3), run.end):
        writer = writers.setdefault(line.writer, _Writer())
        _read(writer, number, line, found)
        if len(found) >= _MOST_EXCEPTIONS:
            break
    return sorted(found, key=lambda raised: raised.number)


def _lines(log: Log, first: int, end: int) -> Iterator[tuple[int, LogLine]]:
    for number in range(first, end):
        yield number, log.line(number)


def _read(writer: _Writer, number: int, line: LogLine, found: list[Raised]) -> None:
    message = line.message
    if TRACEBACK in message:
        _open(writer, number)
        return
    if any(message.startswith(text) for text in _CHAINED):
        if found and writer.lines:
            _mark_continued(writer, found, handled=message.startswith(_CHAINED[0]))
        writer.done = None
        return
    if not writer.open and message.startswith(_FRAME_HEAD) and FRAME.match(message):
        _open(writer, number)  # the head is missing
    if writer.open:
        _read_traceback(writer, number, line, found)
        return
    if writer.done is not None and _goes_on(line, found[writer.done], number):
        _extend(found, writer.done, number)
        return
    writer.done = None
    if message.strip() and line.level not in HARMLESS_LEVELS:
        writer.header = message


def _open(writer: _Writer, number: int) -> None:
    writer.open, writer.first, writer.done = True, number, None
    writer.frames, writer.files, writer.lines, writer.indent = [], [], [number], 0


def _read_traceback(writer: _Writer, number: int, line: LogLine, found: list[Raised]) -> None:
    message = line.message
    writer.lines.append(number)
    if frame := FRAME.match(message):
        writer.files.append(frame["file"])
        writer.indent = max(0, len(message) - len(message.lstrip(" ")) - _FRAME_INDENT)
        writer.frames.append(f"{frame['file']}:{frame['line']} in {frame['name']}")
        return
    if not message[: writer.indent].strip():
        message = message[writer.indent :]
    indented = message[:1] in (" ", "\t", "^", "~") or not message
    match = None if indented else _EXCEPTION.match(message)
    if match is None:
        if len(writer.lines) > _MOST_LINES:
            writer.open = False
        return
    writer.open = False
    writer.done = len(found)
    ignored = _HARMLESS_HEADER in writer.header
    found.append(
        Raised(
            type=match["type"],
            message=(match["message"] or "").strip(),
            first=writer.first,
            number=number,
            end=number + 1,
            frames=tuple(writer.frames[-3:]),
            lines=frozenset(writer.lines),
            fatal=_is_fatal(writer),
            harmless=line.level in HARMLESS_LEVELS or ignored,
            request=_is_of_a_request(writer, line),
        )
    )
    if ignored:
        writer.header = ""


def _is_fatal(writer: _Writer) -> bool:
    if any(text in writer.header for text in _FATAL_HEADERS):
        return True
    return any(name in file for file in writer.files for name in _FATAL_FILES)


def _is_of_a_request(writer: _Writer, line: LogLine) -> bool:
    if is_of_a_request(line) or any(text in writer.header for text in _REQUEST_HEADERS):
        return True
    return any(name in file for file in writer.files for name in _REQUEST_FILES)


def is_of_a_request(line: LogLine) -> bool:
    """Return whether `line` is of the API's code that handles requests."""
    return bool(_REQUEST_PLACE.match(line.place.rpartition("/")[2]))


def _goes_on(line: LogLine, raised: Raised, number: int) -> bool:
    if number - raised.number > _MESSAGE_LINES or line.level in HARMLESS_LEVELS:
        return False
    return line.program not in ("systemd", "kernel")


def _extend(found: list[Raised], index: int, number: int) -> None:
    raised = found[index]
    found[index] = replace(raised, end=number + 1, lines=raised.lines | {number})


def _mark_continued(writer: _Writer, found: list[Raised], *, handled: bool) -> None:
    for index in range(len(found) - 1, -1, -1):
        if found[index].first == writer.first:
            found[index] = replace(found[index], continued=handled)
            return
