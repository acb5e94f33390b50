"""Rank lines outside of tracebacks by how surely they state the error, for errors without a rule.

The first true error is the first line of the strongest kind in a log. Its form makes a line strong,
not its subject, so that this works for programs that nobody thought of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum

from onecard.diagnosis.code import is_code
from onecard.diagnosis.exceptions import FRAME, GROUPS, TRACEBACK, is_of_a_request
from onecard.diagnosis.log import Log, ServerRun
from onecard.startup_log.death import DEATH_WORDS, is_death
from onecard.startup_log.line import LogLine

# Exceptions that end a process without an error.
LEAVING = ("SystemExit", "KeyboardInterrupt", "CancelledError", *GROUPS)
# `ValueError: text`, or a class with its module: `triton.runtime.errors.OutOfResources: text`.
_EXCEPTION = re.compile(
    r"(?:(?:[a-zA-Z_]\w{0,80}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception)"
    r"|(?:[a-z_]\w{0,80}\.){1,8}[A-Z]\w{0,80}(?=: ))(?:: |$|\(['\")])"
)
# The same after a prefix that nobody knows.
_PREFIXED = re.compile(r".{0,80}?(?<!except)[\s\]>|^~:]([A-Z]\w{2,60}(?:Error|Exception): )")
_NAME_END = re.compile(r"[:(]")
# What a program writes before the text of an error: a level, apt's `E: `, a compiler's `error: `.
_FORM = re.compile(
    r"(?:[#\d. ]{1,20} )?(?:E:|Err:\d+|CMake Error.*:|\s*what\(\):|dpkg: .*\(--\w+\):) ?"
    r"|\[[EF]\d{0,4} |[EF]\d{4} \d\d:"
    r"|.{0,200}?(?:Fehler|[Ee]rreur|[Ee]rrore?|erro|错误|錯誤|エラー|오류) ?[:\uff1a]"
    r"|(?:.{0,200}[\s:(\[])?(?:[Ff]atal|[Ee]rror)(?: ?[:!]|\b[^:=]{0,80}: )"
    r"|.{0,80}\bCUDA error\b|.{0,120}\bNCCL WARN .*(?:[Ff]ail|[Ee]rror|not)"
)
# Words of a failure, in a line of any form.
_WORDS = re.compile(
    r"(?<!\bno )(?<!\b0 )[Ee]rrors?\b|\[Errno \d+\]|^(?:\S{1,60}: )?[Mm]issing\b"
    r"|\b[Nn]o \w+ available\b|\b(?:[Ff]ail(?:ed|ure|s)?|FAILED|fatal|FATAL"
    r"|[Ii]nvalid|[Ii]nsufficient|[Uu]nable|[Cc]annot|[Cc]an't|[Cc]ould ?n(?:o|')t|[Nn]o such"
    r"|NO_PUBKEY|[Uu]nmet|not expected|Too Many Requests|toomanyrequests"
    r"|[Uu]nknown (?:argument|command|directive|key(?:word)?|module|option|parameter|port)"
    r"|[Nn]ot (?:compatible|supported|found|enough|available|allowed|valid|installed|loaded)"
    r"|(?:OOM|oom-)[Kk]ill\w+|X[Ii][Dd]|[Ii]ncompatible|[Uu]nsupported|no longer"
    r"|[Mm]ismatch|denied|refused|undefined|[Kk]illed|[Cc]rash(?:ed|es)?"
    r"|[Tt]im(?:ed ?out|e ?out(?! ?[=:(] ?\d))|[Oo]ut of (?:memory|resource)"
    r"|[Nn]o space left|dead|died|fallen off|overwrite"
    r"|(?:larger|greater|less|lower|fewer|older|newer) than|exceeds?"
    r"|[Ss]egmentation fault|[Ii]nterrupted|[Aa]bort(?:ed|ing)?|[Cc]orrupt(?:ed)?"
    r"|[Oo]nly supported|[Rr]efusing|lacks|ignoring|disagrees|[Rr]eceived signal"
    r"|do(?:es)? not appear|expired|[Uu]nauthorized|[Ff]orbidden|[Bb]ad|unexpectedly"
    r"|(?:[Cc]onnection|stream) (?:closed|reset|aborted|lost)|too open)\b"
)
# Words of which a failure's text often has one, and other text too.
_HINTS = re.compile(
    r"\b(?:[Nn]ot?|[Cc]onflicts?|[Mm]issing|[Rr]equire[sd]?|[Mm]ust|[Ss]hould|but|[Dd]epends|too|[Uu]nknown)\b"
)
# A tool of the system says little but what is wrong.
_OF_A_TOOL = re.compile(r"(?:mk|update-)?initramfs: |dracut|(?:mod|dep)\w+: |dkms: ")
# A line that says that something else has failed, or where to read why.
_CONSEQUENCE = re.compile(
    r"\*\*\* \[|build stopped|^\s*FAILED: |Sub-process"
    r"|\bexit (?:status|code)\b|\b(?:error|return) code \(?\d{1,3}\b|\(code \d{1,3}\)"
    r"|non-?zero (?:exit|status)"
    r"|[Cc]ompilation terminated|\bld returned\b"
    r"|\b[Ss]ee\b.{0,60}\b(?:above|below|log|logs|details|output|for more)\b"
    r"|(?:check|look).{0,40}\b(?:above|stack ?trace|up to see)\b"
    r"|\b[Ee]rror(?:\(s\)|s)? (?:found|occurred) (?:at|in)\b"
    r"|^(?:ERROR: )?[Pp]roblem (?:loading|running)\b"
    r"|[Ss]ome (?:packages|index files)\b|Unable to correct problems|Unmet dependencies\. Try"
    r"|\(--configure\) ?:?$|update-initramfs: failed|^run-parts: "
    r"|[Ee]rrors were encountered|not configured yet|dependency problems|because of the following"
    r"|[Nn]inja build failed|[Ee]rror (?:building|executing)|[Ff]ailed (?:building|to build)"
    r"|[Cc]ould not build|failure occurred in|unhandled (?:cuda|system) error|failed because"
    r"|EOF when reading|cannot be pickled|\b(?:Actor)?D(?:ea|ie)d\w*Error\b|is gone\b"
    r"|[Ww]riting .{0,20}failed"
    r"|\.\.\. ?(?:error|failed)$|subprocess-exited|\(dkms apport\)|build backend returned an error"
    r"|error waiting for container|did not (?:run|complete) successfully|^\s*[×x] Failed to"
    r"|RayTaskError\(\w+\): ray::"
    r"|\bexitcode\s*: |\bcode=\w+, status=[1-9]|(?:[Cc]ancelled|[Aa]borted|[Ii]nterrupted) by user"
    r"|^ValueError: Model architectures \[|process has (?:terminated|exited)\W*$"
    r"|(?:scheduler|worker|server) is dead\b"
    r"|^(?:Unit )?\S+\.service(?:: Unit)?(?: entered)? failed(?: state)?\.$"
    r"|^\s*Active: failed|^Failed to start .{1,80}\.$"
    r"|^Error (?:occurred )?(?:in |while |when |during )?\w+ing\b[^:]*$"
)
# A title that only says what was being done.
_VERB = re.compile(
    r"(?:An? )?(?:[Ee]xception|[Ee]rror|[Ff]ailed) (?:in|to|while|when|during|occurred)\b"
)
# What a library adds to an error's text, and what is not a statement at all.
_ADVICE = re.compile(
    r"To enable traceback see|NCCL WARN Failed to (?:find CUDA library|open lib)|"
    r"Compile with `TORCH_|CUDA kernel errors might|For debugging consider"
    r"|Dumping (?:input|scheduler)"
    # What to do, and journald's explanations of a message.
    r"|^\s*(?i:help|hint|note|tip): |^\W*To (?:fix|solve|resolve) |^-- "
    r"|^\W*[Pp]lease (?:make sure|check|see|report)|^Ask for help|^More details here"
)
_SOURCE = re.compile(
    r"\s+warnings\.warn\(|\s*(?:-+> ?)?\d*\s+(?:raise|assert|return)\b|[\s^~]*$|\s*-+> ?\d+ "
    r"|\s*\d{1,5} +(?:try|except|if|elif|else|for|with|def|class|import|from)\b"
    r"|# (?:HELP|TYPE) |[\w:]+\{.*\} [\d.e+-]+$"
    r"|During handling of the above|The above exception was"
)
# A notebook names the exception at the head of its traceback: `KeyError   Traceback (most ...`.
_NOTEBOOK_HEAD = re.compile(r"[A-Z]\w{2,80}(?:Error|Exception) +$")
# The beginning of a traceback's frame, as Python, a mail, a notebook or C++ writes it.
_FRAME_START = re.compile(
    r"\s*File (?:[\"“][^\"”]{0,400}(?:$|[\"”], line \d+)|\S{1,400}:\d+, in )|frame #\d+: "
)
# Of a line and of a log, what is read; a failure is at the end of a log.
_WIDTH, _MOST_LINES = 600, 10_000
# An answer of the server, as a client prints it.
_REFUSAL = "'object': 'error'"
_FRAME_WORD = 'File "'
# The first level that a line names is its own.
_LEVEL = re.compile(
    r".{0,60}?(?<![\w=])(?:(?P<loud>ERR|ERROR|CRITICAL|FATAL|ALERT|EMERG|emerg|panic)|(?:INFO|WARN|WARNING|DEBUG|NOTICE))\b"
)
_WARNING = re.compile(
    r"(?:\S+\.py:\d+: \w*Warning: |\w*Warning: )(?!CUDA init)|[Ww]arning: |N: "
    r"|[IW]\d{4} \d\d:|\[[IW]\d{0,4} "
)


class Strength(IntEnum):
    """How surely a line states why something failed."""

    NONE = 0
    WARNED = 1  # words of a failure that its program calls a warning or less
    HINTED = 2  # words that other text has too
    CONSEQUENCE = 3  # something else failed
    WORDED = 4  # words of a failure
    STATED = 5  # the form of an error
    RAISED = 6  # an exception, its traceback's head cut off


def is_consequence(text: str) -> bool:
    """Return whether an error's text says that something else failed, or where to read why."""
    return bool(_CONSEQUENCE.search(text))


def _is_quiet(message: str, level: re.Match[str] | None) -> bool:
    """Return whether a program calls its line a warning or less; NCCL calls its errors so."""
    if " NCCL WARN " in message:
        return False
    return bool(_WARNING.match(message) or (level and not level["loud"]))


def is_warning(line: LogLine) -> bool:
    """Return whether a program calls `line` a warning or less, not information."""
    message = line.message[:_WIDTH]
    level = _LEVEL.match(message)
    named = bool(level and "WARN" in level[0])
    return line.level == "WARNING" or named or bool(_WARNING.match(message))


def strength(line: LogLine) -> Strength:
    """Return how surely `line`, which is not of a traceback, states an error."""
    message = line.message[:_WIDTH]
    if line.level in ("INFO", "DEBUG") or _ADVICE.search(message) or is_of_a_request(line):
        return Strength.NONE
    exception = _EXCEPTION.match(message) or _PREFIXED.match(message)
    if exception and _NAME_END.split(exception[0])[0].rpartition(".")[2] in LEAVING:
        return Strength.NONE
    level = _LEVEL.match(message)
    formed = bool(exception or _FORM.match(message) or (level and level["loud"]))
    names_failure = formed or bool(_WORDS.search(message))
    if line.level == "WARNING" or _is_quiet(message, level):
        return Strength.WARNED if names_failure else Strength.NONE
    if is_death(line):
        return Strength.CONSEQUENCE
    if is_consequence(message):
        states = exception and "CalledProcessError" not in message
        return Strength.STATED if states else Strength.CONSEQUENCE
    if exception:
        return Strength.RAISED
    if formed or (line.level and not message.startswith(("    ", "\t"))):
        return Strength.STATED
    if names_failure:
        return Strength.WORDED
    if not _HINTS.search(message):
        return Strength.NONE
    return Strength.WORDED if _OF_A_TOOL.match(message) else Strength.HINTED


def lines_with_strength(
    log: Log, run: ServerRun, hidden: set[int]
) -> Iterator[tuple[int, Strength]]:
    """Yield each line of `run` outside of tracebacks and `hidden`, with its strength."""
    for number in range(max(run.first, run.quiet_from - _MOST_LINES), run.quiet_from):
        if number in hidden:
            continue
        strong = strength(log.line(number))
        if strong == Strength.STATED and _is_title(log, number):
            strong = Strength.CONSEQUENCE
        if _heads_traceback(log.line(number).message):
            yield number, Strength.CONSEQUENCE
        elif not _is_of_traceback(log, number, strong):
            yield number, strong


def ranked_lines(log: Log, run: ServerRun, hidden: set[int]) -> dict[Strength, int]:
    """Return the first line of each strength in `run`, those of `hidden` left out."""
    first: dict[Strength, int] = {}
    for number, strong in lines_with_strength(log, run, hidden):
        first.setdefault(strong, number)
        if strong == Strength.RAISED:
            break
    first.pop(Strength.NONE, None)
    return first


def _is_title(log: Log, number: int) -> bool:
    """Return whether the line only says, before a traceback, what was being done."""
    line = log.line(number)
    traceback = number + 1 < len(log) and TRACEBACK in log.lines[number + 1]
    announces = bool(line.level) or ": " not in line.message or line.message.endswith(":")
    return traceback and announces


def _heads_traceback(message: str) -> bool:
    """Return whether a line says what failed, and its traceback's head follows in the same line."""
    title, head, _ = message[:_WIDTH].partition(TRACEBACK)
    return bool(head and (_WORDS.search(title) or _NOTEBOOK_HEAD.match(title)))


def _is_of_traceback(log: Log, number: int, strong: Strength) -> bool:
    message = log.line(number).message[:_WIDTH]
    if FRAME.match(message) or _SOURCE.match(message) or TRACEBACK in message:
        return True
    # It may be cut off, or a notebook's.
    if _FRAME_START.match(message):
        return True
    # A paste may have lost the indentation.
    after_frame = number > 0 and bool(FRAME.match(log.line(number - 1).message))
    return is_code(log, number) or (after_frame and strong != Strength.RAISED)


def logged_error(log: Log, run: ServerRun, hidden: set[int]) -> int | None:
    """The first line that a server which came up logged as an error, not of a request."""
    for number in sorted({*log.find("ERROR", run), *log.find(_REFUSAL, run)}):
        line = log.line(number)
        if line.message.startswith("{" + _REFUSAL):
            return number
        if number in hidden or number >= run.quiet_from or line.level != "ERROR":
            continue
        strong = strength(line)
        if strong >= Strength.STATED and not _is_of_traceback(log, number, strong):
            return number
    return None


def title_of_cut(log: Log, run: ServerRun) -> str:
    """What the run's first traceback, which is cut off, is logged for, if that tells more."""
    head = min(log.find(TRACEBACK, run), default=run.first)
    if head == run.first:
        return ""
    title = log.line(head - 1)
    states = strength(title) >= Strength.STATED and not _VERB.match(title.message)
    return title.message.strip() if states else ""


def last_frame(log: Log, run: ServerRun) -> int | None:
    """The last frame of the run's tracebacks, none of which reaches its exception."""
    frames = log.find(_FRAME_WORD, run)
    return max((one for one in frames if _FRAME_START.match(log.line(one).message)), default=None)


def first_death(log: Log, run: ServerRun) -> int | None:
    """The first line that shows that the server, or a process that it needs, has died."""
    if not any(log.holds(text, run) for text in DEATH_WORDS):
        return None
    live = range(run.first, run.quiet_from)
    return next((number for number in live if is_death(log.line(number))), None)
