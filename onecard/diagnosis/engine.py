"""Name the first true error of a log.

log ─▶ runs of the server ─▶ of each, the newest first:
         rules' matches            (matching.py, onecard/data/diagnosis/*.yml)
         exceptions, by process    (exceptions.py)
       ─▶ the cause: a rule in the exception that ended a process, or one that is a cause
          wherever it stands ▶ any other rule's match ▶ the first exception that no rule knows
          ▶ the error that a wrapper quotes ▶ an exception without its traceback
          ▶ a consequence ▶ a wrapper ▶ a request that failed while the server went on
          ▶ the first line that calls itself an error ▶ nothing
"""

from __future__ import annotations

from collections.abc import Iterable

from onecard.diagnosis.exceptions import Raised, exceptions
from onecard.diagnosis.log import Log, Run
from onecard.diagnosis.matching import Match, matches
from onecard.diagnosis.plain_lines import LEAVING, from_error_line, lone_exception
from onecard.diagnosis.quotes import quotes
from onecard.diagnosis.rules import Rule, shipped_rules
from onecard.diagnosis.verdict import (
    NO_ERROR,
    Diagnosis,
    from_exception,
    from_line,
    from_request,
    from_rule,
    others_of,
)

# Python's way of asking for something that may be missing: the exception that follows is the one
# that matters.
_ASKING = ("KeyError", "StopIteration", "AttributeError", "ModuleNotFoundError", "ImportError")


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
    fatal = [one for one in raised if one.fatal]
    quoted = quotes(log, run)
    hidden = {match.number for match in found if match.rule.kind != "cause"}
    hidden |= {quote.number for quote in quoted}
    causes = [match for match in found if _is_cause(match, fatal)]
    unknown = _first_unknown(fatal or [one for one in raised if not one.request], hidden)
    ranked = sorted(causes, key=lambda match: _rank(match, fatal))
    others = others_of(log, found)
    if ranked and not _comes_too_late(ranked[0], fatal, unknown):
        return from_rule(log, run, ranked[0], others)
    if unknown is not None:
        return from_exception(log, unknown, others)
    if ranked:
        return from_rule(log, run, ranked[0], others)
    kinds = {match.rule.kind for match in found}
    if quoted:
        return from_exception(log, quoted[0], others)
    if not run.ready or kinds & {"symptom", "wrapper"}:
        lone = lone_exception(log, run, hidden)
        if lone is not None:
            return from_line(log, lone)
    for kind in ("symptom", "wrapper", "note"):
        kindred = [match for match in found if match.rule.kind == kind]
        if kindred:
            first = min(kindred, key=lambda match: (-match.rule.weight, match.number))
            return from_rule(log, run, first, others, failure=kind != "note")
    request = _first_unknown([one for one in raised if one.request], hidden)
    if request is not None:
        return from_request(log, request)
    return None if run.ready else from_error_line(log, run)


def _is_cause(match: Match, fatal: list[Raised]) -> bool:
    """Whether the match tells of a failure of the server: a request too may have ended it."""
    if match.rule.kind == "note":
        return any(match.number in one.lines for one in fatal)
    return match.rule.kind == "cause"


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
        if one.number in hidden or one.type.rpartition(".")[2] in LEAVING:
            continue
        if one.continued and one.type in _ASKING:
            continue
        return one
    return None
