"""What is said of a failed log, and how it is made of what was found in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onecard.diagnosis.exceptions import Raised
from onecard.diagnosis.log import Log, Run
from onecard.diagnosis.matching import Match

_CONTEXT_BEFORE, _CONTEXT_AFTER = 3, 3
_MOST_OTHERS = 8
_LINE_WIDTH = 600
# A message of fewer characters, as that of `AssertionError` or `KeyError: 8`, does not say what is
# wrong; where it was raised does.
_SAYS_LITTLE = 12


@dataclass(frozen=True)
class Finding:
    """A rule that matched too, but is not what is named: its id, line number and line."""

    rule: str
    line_number: int
    line: str


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and what to do.

    failure: whether the log tells of a failure at all.
    rule: the id of the rule that knows it; None when no rule does.
    cause, fix: one sentence each. command: what to type here; on_box: what to type on the box;
        both may be empty.
    line, line_number: the line that tells it, counted from 1; empty and 0 when there is none.
    context: the lines around it; for an exception that no rule knows, its last frames too.
    exception: `Type: message` of an exception that no rule knows, else empty.
    others: what else the rules recognised in the same run.
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

    def to_json(self) -> dict[str, str | None]:
        """{rule, cause, fix, command, on_box, line}; rule is null where no rule matched."""
        return {
            "rule": self.rule,
            "cause": self.cause,
            "fix": self.fix,
            "command": self.command,
            "on_box": self.on_box,
            "line": self.line,
        }


NO_ERROR = Diagnosis(False, None, "No error found in this log.", "Nothing to mend.")


def others_of(log: Log, found: list[Match]) -> tuple[Finding, ...]:
    """The first match of each rule but the wrappers, in the order of their lines."""
    first: dict[str, Match] = {}
    for match in sorted(found, key=lambda match: match.number):
        if match.rule.kind != "wrapper":
            first.setdefault(match.rule.id, match)
    return tuple(
        Finding(match.rule.id, match.number + 1, _line(log, match.number))
        for match in list(first.values())[:_MOST_OTHERS]
    )


def from_rule(
    log: Log, run: Run, match: Match, others: tuple[Finding, ...], *, failure: bool = True
) -> Diagnosis:
    """What the rule says, filled in with its captures and what the server was asked for."""
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
    """An exception that no rule knows."""
    text = raised.text[:_LINE_WIDTH]
    short = raised.frames and len(raised.message) < _SAYS_LITTLE
    place = f" ({raised.frames[-1]})" if short else ""
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


def from_request(log: Log, raised: Raised) -> Diagnosis:
    """An exception that no rule knows and that ended a request only."""
    return replace(
        NO_ERROR,
        cause=f"A request failed, the server went on: {raised.text[:_LINE_WIDTH]}",
        fix="Look at the request; ask the server a question that is known to be good.",
        command="invoke smoke",
        line=_line(log, raised.number),
        line_number=raised.number + 1,
        context=(*raised.frames, *_context(log, raised.number)),
        exception=raised.text[:_LINE_WIDTH],
    )


def from_line(log: Log, number: int) -> Diagnosis:
    """An error that no rule knows, in a line that no traceback holds."""
    line = _line(log, number)
    return replace(
        NO_ERROR,
        failure=True,
        cause=f"No rule knows this failure. The first line that tells of it is: {line}",
        fix="Read the lines around it.",
        command="invoke logs",
        line=line,
        line_number=number + 1,
        context=_context(log, number),
    )


def from_mention(log: Log, number: int) -> Diagnosis:
    """A line that speaks of an error and may tell of none."""
    line = _line(log, number)
    return replace(
        NO_ERROR,
        cause=f"Nothing here is known as an error. The first line that speaks of one is: {line}",
        fix="Read the lines around it.",
        line=line,
        line_number=number + 1,
        context=_context(log, number),
    )


def _line(log: Log, number: int) -> str:
    return log.line(number).message.strip()[:_LINE_WIDTH]


def _context(log: Log, number: int) -> tuple[str, ...]:
    first = max(0, number - _CONTEXT_BEFORE)
    last = min(len(log), number + _CONTEXT_AFTER + 1)
    return tuple(log.lines[line][:_LINE_WIDTH].rstrip() for line in range(first, last))
