"""The diagnosis of a log, and how it is built from a match, an exception or a line."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from onecard.diagnosis.code import is_code
from onecard.diagnosis.exceptions import Raised
from onecard.diagnosis.log import Log, ServerRun
from onecard.diagnosis.matching import Match
from onecard.diagnosis.plain_lines import Strength, strength

_CONTEXT_BEFORE, _CONTEXT_AFTER = 3, 3
_MOST_OTHERS = 8
_LINE_WIDTH = 600
# A message of fewer characters, as that of `AssertionError` or `KeyError: 8`, does not explain
# the failure; where it was raised does.
_SHORT_MESSAGE = 12
# A message that ends so gives its reason in the lines after it, as that of pydantic or the hub.
_ANNOUNCES = re.compile(
    r"(?:[:,]|validation errors? for \w+|\(Request ID: [^)]*\)?)\s*$|(?:^| )Err:\d+ "
)
_ANNOUNCED_WITHIN = 8
# The reasons of an error, one a line, as Rust's programs (uv, the hub's Xet) give them.
_REASON = re.compile(r"\s*(?:Caused by: |[├╰]─+[▶>] |[|`]-+> )")
_REASON_CONTINUED = re.compile(r"\s{4,}\S")


@dataclass(frozen=True)
class Finding:
    """A rule that also matched, but is not the cause: its id, line number and line."""

    rule: str
    line_number: int
    line: str


@dataclass(frozen=True)
class LikelyLine:
    """A line that may state the error where no rule knows it; its number is counted from 1."""

    line_number: int
    line: str


@dataclass(frozen=True)
class Diagnosis:
    """The cause of a failure, and its fix.

    failure: whether the log shows a failure at all.
    rule: the id of the rule that matched; None if none did.
    cause, fix: one sentence each. command: to run on this computer; on_box: to run on the box;
        both may be empty.
    line, line_number: the line that shows it, counted from 1; empty and 0 if there is none.
    context: the lines around it; for an exception that no rule knows, its last frames too.
    exception: `Type: message` of an exception that no rule knows, else empty.
    others: other matches in the same run.
    candidates: the lines that may state the cause, the likeliest first, where no rule names it.
    """

    failure: bool
    rule: str | None
    cause: str
    fix: str
    command: str = ""
    on_box: str = ""
    line: str = ""
    line_number: int = 0
    context: tuple[str, ...] = ()
    exception: str = ""
    stage: str = ""
    source: str = ""
    others: tuple[Finding, ...] = ()
    candidates: tuple[LikelyLine, ...] = field(default=(), compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return {rule, cause, fix, command, on_box, line, candidates}.

        rule is null if no rule matched; candidates is [{line_number, line}], the likeliest first.
        """
        return {
            "rule": self.rule,
            "cause": self.cause,
            "fix": self.fix,
            "command": self.command,
            "on_box": self.on_box,
            "line": self.line,
            "candidates": [asdict(one) for one in self.candidates],
        }


NO_ERROR = Diagnosis(
    False, None, "No error found in this log, and the server came up.", "Nothing to fix."
)
NOT_SEEN_TO_ANSWER = Diagnosis(
    False,
    None,
    "No error found in this log, but it does not show that the server answered either.",
    "Wait for the start, or diagnose the whole log.",
)


def others_of(log: Log, found: list[Match]) -> tuple[Finding, ...]:
    """Return the first match of each rule except wrappers, in the order of their lines."""
    first: dict[str, Match] = {}
    for match in sorted(found, key=lambda match: match.number):
        if match.rule.kind != "wrapper":
            first.setdefault(match.rule.id, match)
    return tuple(
        Finding(match.rule.id, match.number + 1, _line(log, match.number))
        for match in list(first.values())[:_MOST_OTHERS]
    )


def from_rule(
    log: Log, run: ServerRun, match: Match, others: tuple[Finding, ...], *, failure: bool = True
) -> Diagnosis:
    """Return a rule's diagnosis, filled in with its captures and the server's arguments."""
    rule = match.rule
    captures = {**log.context(run), **match.captures}
    return Diagnosis(
        failure=failure,
        rule=None if rule.kind == "wrapper" else rule.id,
        cause=rule.fill(rule.cause, captures),
        fix=rule.fill(rule.fix, captures),
        command=rule.fill(rule.command, captures),
        on_box=rule.fill(rule.on_box, captures),
        line=_line(log, match.number),
        line_number=match.number + 1,
        context=_context(log, match.number),
        stage=rule.stage,
        source=rule.source,
        others=tuple(other for other in others if other.rule != rule.id),
    )


def from_exception(log: Log, raised: Raised, others: tuple[Finding, ...]) -> Diagnosis:
    """Return the diagnosis of an exception that no rule knows."""
    text = _with_announced(log, raised.number, raised.text)
    short = raised.frames and len(raised.message) < _SHORT_MESSAGE
    place = f" ({raised.frames[-1]}{_statement(log, raised)})" if short else ""
    if not raised.message and raised.first > 0:
        title = log.line(raised.first - 1)
        place += f", after: {title.message}" if strength(title) >= Strength.STATED else ""
    return Diagnosis(
        failure=True,
        rule=None,
        cause=f"No rule knows this failure. The first exception is {text}{place}",
        fix="Read the exception and its frames; the whole log has the rest.",
        command="invoke logs",
        line=_line(log, raised.number),
        line_number=raised.number + 1,
        context=(*raised.frames, *_context(log, raised.number)),
        exception=text,
        others=others,
    )


def _statement(log: Log, raised: Raised) -> str:
    """Return the statement that raised an exception, after `: `; it may be all that explains it."""
    for number in sorted(raised.lines, reverse=True):
        text = log.line(number).message.strip()
        if number < raised.number and text.strip("^~ ") and is_code(log, number):
            return f": {text}"
    return ""


def from_request(log: Log, raised: Raised) -> Diagnosis:
    """Return the diagnosis of an exception that no rule knows and that only ended a request."""
    return replace(
        NO_ERROR,
        cause=f"A request failed, the server continued: {raised.text[:_LINE_WIDTH]}",
        fix="Check the request; send the server one that is known to be good.",
        command="invoke smoke",
        line=_line(log, raised.number),
        line_number=raised.number + 1,
        context=(*raised.frames, *_context(log, raised.number)),
        exception=raised.text[:_LINE_WIDTH],
    )


def from_line(log: Log, number: int) -> Diagnosis:
    """Return the diagnosis of an error that no rule knows, in a line outside of a traceback."""
    line = _line(log, number)
    return replace(
        NO_ERROR,
        failure=True,
        cause="No rule knows this failure. Its first line in the log is:"
        f" {_with_announced(log, number, line)}",
        fix="Read the lines around it.",
        command="invoke logs",
        line=line,
        line_number=number + 1,
        context=_context(log, number),
    )


def from_death(log: Log, number: int, others: tuple[Finding, ...]) -> Diagnosis:
    """Return the diagnosis of a line that shows the server's end, if nothing shows the reason."""
    line = _line(log, number)
    return replace(
        NO_ERROR,
        failure=True,
        cause=f"The server died, and the reason is not in this log. It shows only: {line}",
        fix="Look at the whole log, and at the kernel's log at that time.",
        command="invoke logs",
        on_box="sudo journalctl -k --since -1h | grep -iE 'killed process|segfault|Xid'",
        line=line,
        line_number=number + 1,
        context=_context(log, number),
        others=others,
    )


def renumbered(found: Diagnosis, numbers: tuple[int, ...]) -> Diagnosis:
    """Return `found` with the line numbers of the log before its lines were joined.

    numbers: of each line, that of its first in the original (both counted from 0).
    """

    def original(number: int) -> int:
        return numbers[number - 1] + 1 if number else 0

    return replace(
        found,
        line_number=original(found.line_number),
        others=tuple(
            replace(other, line_number=original(other.line_number)) for other in found.others
        ),
        candidates=tuple(
            replace(one, line_number=original(one.line_number)) for one in found.candidates
        ),
    )


def from_mention(log: Log, number: int) -> Diagnosis:
    """Return the diagnosis of a line that mentions an error, but may be none."""
    line = _line(log, number)
    return replace(
        NO_ERROR,
        cause="No error that is known. The first line that mentions one is:"
        f" {_with_announced(log, number, line)}",
        fix="Read the lines around it; the log does not show that the server answered.",
        line=line,
        line_number=number + 1,
        context=_context(log, number),
    )


def from_cut(log: Log, number: int, title: str = "") -> Diagnosis:
    """Return the diagnosis of a traceback of which the text does not hold the exception.

    title: what it was logged for.
    """
    line = _line(log, number)
    logged = f" It was logged for: {title[:_LINE_WIDTH]}." if title else ""
    return replace(
        NO_ERROR,
        failure=True,
        cause="The traceback is cut off before the line that names the error: the reason is not in"
        f" this text.{logged} Its last line is: {line}",
        fix="Get the whole log: invoke logs, docker logs, kubectl logs --previous.",
        command="invoke logs",
        line=line,
        line_number=number + 1,
        context=_context(log, number),
    )


def _with_announced(log: Log, number: int, text: str) -> str:
    """Return an error's text and, if it only announces the reason, the lines that give it."""
    if reasons := _reasons(log, number):
        return " ".join((text, *reasons))[:_LINE_WIDTH]
    if not _ANNOUNCES.search(text):
        return text[:_LINE_WIDTH]
    after = range(number + 1, min(len(log), number + 1 + _ANNOUNCED_WITHIN))
    following = [line for later in after if (line := log.line(later).message.strip())]
    last = next(
        (at for at, line in enumerate(following) if at and not line.endswith(":")), len(following)
    )
    return " ".join((text, *following[: last + 1]))[:_LINE_WIDTH]


def _reasons(log: Log, number: int) -> list[str]:
    """Return the lines after line `number` that give the reasons of its error, wrapped or not."""
    reasons: list[str] = []
    for later in range(number + 1, len(log)):
        message = log.line(later).message
        if not _REASON.match(message) and not (reasons and _REASON_CONTINUED.match(message)):
            break
        reasons.append(message.strip())
    return reasons


def _line(log: Log, number: int) -> str:
    return log.line(number).message.strip()[:_LINE_WIDTH]


def _context(log: Log, number: int) -> tuple[str, ...]:
    first = max(0, number - _CONTEXT_BEFORE)
    last = min(len(log), number + _CONTEXT_AFTER + 1)
    return tuple(log.lines[line][:_LINE_WIDTH].rstrip() for line in range(first, last))
