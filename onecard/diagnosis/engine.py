"""Name the first true error of a log.

log ─▶ runs of the server ─▶ of each, the newest first:
         rules' matches            (matching.py, onecard/data/diagnosis/*.yml)
         exceptions, by process    (exceptions.py)
       ─▶ the cause: a rule in the exception that ended a process, or one that is a cause
          wherever it stands ▶ any other rule's match ▶ the first exception that no rule knows
          ▶ a consequence ▶ a wrapper ▶ the first line that calls itself an error ▶ nothing
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from onecard.diagnosis.exceptions import Raised, exceptions
from onecard.diagnosis.log import Log, Run
from onecard.diagnosis.matching import Match, matches
from onecard.diagnosis.rules import Rule, shipped_rules

_CONTEXT_BEFORE, _CONTEXT_AFTER = 3, 3
_MOST_OTHERS = 8
_LINE_WIDTH = 600
_ERROR_LINE = re.compile(r"E: |ERROR: |[Ee]rror: |fatal: |.{0,200}: (?:fatal )?error: ")
_EXCEPTION_LINE = re.compile(
    r"(?:[a-zA-Z_]\w{0,80}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception)(?:: |$)"
)
# Python's way of asking for something that may be missing: the exception that follows is the one
# that matters.
_ASKING = ("KeyError", "StopIteration", "AttributeError", "ModuleNotFoundError", "ImportError")


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
    cause, fix: one sentence each. command: what to type; may be empty.
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
    line: str = ""
    line_number: int = 0
    context: tuple[str, ...] = ()
    exception: str = ""
    stage: str = ""
    source: str = ""
    others: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, str | None]:
        """{rule, cause, fix, command, line}; rule is null where no rule matched."""
        return {
            "rule": self.rule,
            "cause": self.cause,
            "fix": self.fix,
            "command": self.command,
            "line": self.line,
        }


NO_ERROR = Diagnosis(False, None, "No error found in this log.", "Nothing to mend.")


def diagnose(log: str, rules: Iterable[Rule] | None = None) -> Diagnosis:
    """The first true error of `log`, or NO_ERROR.

    log: the whole text, of any length; the newest run of the server that failed is told, unless a
        later run came up and the earlier one never did.
    rules: other rules than those that come with onecard.
    Never raises, whatever the text holds.
    """
    text = Log(log)
    known = tuple(rules) if rules is not None else shipped_rules()
    came_up = False
    note: Diagnosis | None = None
    for run in reversed(text.runs()):
        if came_up and not run.ready:
            continue
        found = _diagnose_run(text, run, known)
        if found is not None and found.failure:
            return found
        note = note or found
        came_up = came_up or run.ready
    return note or NO_ERROR


def _diagnose_run(log: Log, run: Run, rules: tuple[Rule, ...]) -> Diagnosis | None:
    found = matches(log, run, rules)
    raised = [
        one for one in exceptions(log, run) if not one.harmless and one.number < run.quiet_from
    ]
    hidden = {match.number for match in found if match.rule.kind in ("wrapper", "symptom")}
    causes = [match for match in found if match.rule.kind == "cause"]
    fatal = [one for one in raised if one.fatal]
    unknown = _first_unknown(fatal or raised, hidden)
    ranked = sorted(causes, key=lambda match: _rank(match, fatal))
    others = _others(log, found)
    if ranked and not _comes_too_late(ranked[0], fatal, unknown):
        return _from_rule(log, run, ranked[0], others)
    if unknown is not None:
        return _from_exception(log, unknown, others)
    if ranked:
        return _from_rule(log, run, ranked[0], others)
    for kind in ("symptom", "wrapper", "note"):
        kindred = [match for match in found if match.rule.kind == kind]
        if kindred:
            first = min(kindred, key=lambda match: (-match.rule.weight, match.number))
            return _from_rule(log, run, first, others)
    return None if run.ready else _from_error_line(log, run)


def _rank(match: Match, fatal: list[Raised]) -> tuple[int, int, int]:
    certain = match.rule.root or any(match.number in one.lines for one in fatal)
    return (0 if certain else 1, -match.rule.weight, match.number)


def _comes_too_late(match: Match, fatal: list[Raised], unknown: Raised | None) -> bool:
    """Whether an exception that no rule knows had ended it all before `match`'s line."""
    certain, _, number = _rank(match, fatal)
    return certain != 0 and unknown is not None and unknown.fatal and unknown.number < number


def _first_unknown(raised: list[Raised], hidden: set[int]) -> Raised | None:
    """The first exception that hides none: the deepest of the first process that failed."""
    for one in raised:
        if one.number in hidden or one.type in ("SystemExit", "KeyboardInterrupt"):
            continue
        if one.continued and one.type in _ASKING:
            continue
        return one
    return None


def _others(log: Log, found: list[Match]) -> tuple[Finding, ...]:
    first: dict[str, Match] = {}
    for match in sorted(found, key=lambda match: match.number):
        if match.rule.kind != "wrapper":
            first.setdefault(match.rule.id, match)
    return tuple(
        Finding(match.rule.id, match.number + 1, _line(log, match.number))
        for match in list(first.values())[:_MOST_OTHERS]
    )


def _from_rule(log: Log, run: Run, match: Match, others: tuple[Finding, ...]) -> Diagnosis:
    rule = match.rule
    captures = {**log.context(run), **match.captures}
    return Diagnosis(
        failure=rule.kind != "note",
        rule=None if rule.kind == "wrapper" else rule.id,
        cause=rule.fill(rule.cause, captures),
        fix=rule.fill(rule.fix, captures),
        command=rule.fill(rule.command, captures),
        line=_line(log, match.number),
        line_number=match.number + 1,
        context=_context(log, match.number),
        stage=rule.stage,
        source=rule.source,
        others=tuple(other for other in others if other.rule != rule.id),
    )


def _from_exception(log: Log, raised: Raised, others: tuple[Finding, ...]) -> Diagnosis:
    text = raised.text[:_LINE_WIDTH]
    return Diagnosis(
        failure=True,
        rule=None,
        cause=f"No rule knows this failure. The first exception is {text}",
        fix="Read the exception and its frames; the whole log has the rest.",
        command="invoke logs",
        line=_line(log, raised.number),
        line_number=raised.number + 1,
        context=(*raised.frames, *_context(log, raised.number)),
        exception=text,
        others=others,
    )


def _from_error_line(log: Log, run: Run) -> Diagnosis | None:
    """The first line that names an exception (its traceback's head is cut off), or else the first
    that calls itself an error."""
    first: int | None = None
    for number in range(run.first, run.quiet_from):
        line = log.line(number)
        if line.level in ("INFO", "WARNING", "DEBUG"):
            continue
        if _EXCEPTION_LINE.match(line.message):
            return _from_unknown_line(log, number)
        if first is None and (line.level or _ERROR_LINE.match(line.message)):
            first = number
    return None if first is None else _from_unknown_line(log, first)


def _from_unknown_line(log: Log, number: int) -> Diagnosis:
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


def _line(log: Log, number: int) -> str:
    return log.line(number).message.strip()[:_LINE_WIDTH]


def _context(log: Log, number: int) -> tuple[str, ...]:
    first = max(0, number - _CONTEXT_BEFORE)
    last = min(len(log), number + _CONTEXT_AFTER + 1)
    return tuple(log.lines[line][:_LINE_WIDTH].rstrip() for line in range(first, last))
