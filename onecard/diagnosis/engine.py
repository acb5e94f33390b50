"""Diagnose a log: find its first true error.

log ─▶ each server's lines (servers.py) ─▶ its runs ─▶ of each, the newest first:
         rules' matches            (matching.py, onecard/diagnosis/rules/*.yml)
         exceptions, by process    (exceptions.py)
         lines, by strength        (plain_lines.py)
       ─▶ the cause: a rule in the exception that ended a process, or a root cause
          anywhere in the log ▶ an exception that ended a process ▶ any other rule's match
          ▶ the first exception that no rule knows ▶ the error that a wrapper quotes
          ▶ an exception without its traceback ▶ a consequence ▶ a line in the form of an error
          ▶ a wrapper ▶ the line that shows a death ▶ a request that failed while the server
          went on ▶ a line with words of a failure ▶ a traceback that is cut off ▶ nothing
       ─▶ where no rule names the cause, up to three lines that may state it (candidates.py)
       ─▶ the same with wrapped lines joined (unwrap.py)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from onecard.diagnosis.candidates import candidates
from onecard.diagnosis.exceptions import Raised, exceptions
from onecard.diagnosis.log import Log, ServerRun
from onecard.diagnosis.matching import Match, matches
from onecard.diagnosis.plain_lines import (
    LEAVING,
    Strength,
    first_death,
    is_consequence,
    last_frame,
    logged_error,
    ranked_lines,
    title_of_cut,
)
from onecard.diagnosis.quotes import quotes
from onecard.diagnosis.reading.servers import by_server
from onecard.diagnosis.reading.unwrap import unwrapped
from onecard.diagnosis.rule import Rule, shipped_rules
from onecard.diagnosis.verdict import (
    NO_ERROR,
    NOT_SEEN_TO_ANSWER,
    Diagnosis,
    from_cut,
    from_death,
    from_exception,
    from_line,
    from_mention,
    from_request,
    from_rule,
    others_of,
    renumbered,
)

# Exceptions of a lookup that may fail: the exception raised while handling one is the real error.
_LOOKUP_ERRORS = (
    "KeyError",
    "StopIteration",
    "AttributeError",
    "ModuleNotFoundError",
    "ImportError",
)
# A symptom of at most this weight says only that the server ended.
_VAGUE = 30


def diagnose(log: str, rules: Iterable[Rule] | None = None) -> Diagnosis:
    """Return the diagnosis of `log`: its first true error, NO_ERROR, or NOT_SEEN_TO_ANSWER.

    log: the whole text, of any length; the newest failed run of the server is diagnosed, unless a
        later run came up and the earlier one never did. Of several servers' logs, the first that
        failed, one with a known failure before others.
    rules: instead of those that come with onecard.
    Never raises, whatever the text holds.
    """
    known = tuple(rules) if rules is not None else shipped_rules()
    found = [_diagnose_server(text, known) for text in by_server(log)]
    return min(found, key=lambda one: (not one.failure, one.rule is None))


def _diagnose_server(text: str, rules: tuple[Rule, ...]) -> Diagnosis:
    found = _diagnose_runs(Log(text), rules)
    vague = {rule.id for rule in rules if rule.kind == "symptom" and rule.weight <= _VAGUE}
    for joined in unwrapped(text):
        again = _diagnose_runs(Log(joined.text), rules)
        # Of a message that goes on in the next line a rule may have seen only a part; a text that
        # lacks a value leaves a part of itself out, and is shorter.
        more = found.rule is None or (
            again.rule == found.rule and len(again.cause) > len(found.cause)
        )
        if again.rule is not None and more and again.rule not in vague:
            return renumbered(again, joined.numbers)
    return found


def _diagnose_runs(log: Log, rules: tuple[Rule, ...]) -> Diagnosis:
    came_up: set[str] = set()
    note: Diagnosis | None = None
    runs = log.runs()
    for run in reversed(runs):
        model = log.context(run).get("model", "")
        # A file may hold the logs of two servers, one after the other.
        if not run.ready and came_up & ({model, ""} if model else came_up):
            continue
        found = _diagnose_run(log, run, rules)
        if found is not None and found.failure:
            return found
        note = note or found
        if run.ready:
            came_up.add(model)
    if note is not None or runs[-1].ready:
        return note or NO_ERROR
    lines = candidates(log, runs[-1], NOT_SEEN_TO_ANSWER, set())
    return replace(NOT_SEEN_TO_ANSWER, candidates=lines)


@dataclass(frozen=True)
class _Evidence:
    """What a run shows: matches of rules, exceptions, and errors that wrappers quote.

    hidden: lines (counted from 0) that are known not to state the cause.
    """

    found: list[Match]
    raised: list[Raised]
    quoted: list[Raised]
    hidden: set[int]


def _diagnose_run(log: Log, run: ServerRun, rules: tuple[Rule, ...]) -> Diagnosis | None:
    evidence = _evidence(log, run, rules)
    found = _cause(log, run, evidence)
    symptoms = {match.rule.id for match in evidence.found if match.rule.kind == "symptom"}
    if found is None or (found.rule is not None and found.rule not in symptoms):
        return found
    return replace(found, candidates=candidates(log, run, found, evidence.hidden))


def _evidence(log: Log, run: ServerRun, rules: tuple[Rule, ...]) -> _Evidence:
    # A server that is being stopped may log that its engine is gone: no failure.
    found = [
        match
        for match in matches(log, run, rules)
        if match.number < run.quiet_from or match.rule.kind == "cause"
    ]
    every = [one for one in exceptions(log, run) if one.number < run.quiet_from]
    quoted = quotes(log, run)
    hidden = {match.number for match in found if match.rule.kind != "cause"}
    hidden |= {quote.number for quote in quoted}
    hidden |= {number for one in every if one.harmless for number in one.lines}
    return _Evidence(found, [one for one in every if not one.harmless], quoted, hidden)


def _cause(log: Log, run: ServerRun, evidence: _Evidence) -> Diagnosis | None:
    found, raised, hidden = evidence.found, evidence.raised, evidence.hidden
    fatal = [one for one in raised if one.fatal]
    causes = [match for match in found if _is_cause(match, fatal)]
    unknown = _first_unknown(fatal or [one for one in raised if not one.request], hidden)
    ranked = sorted(causes, key=lambda match: _rank(match, fatal))
    if ranked:
        ranked[0] = _best_captured(ranked)
    others = others_of(log, found)
    if ranked and not _is_less_sure(ranked[0], fatal, unknown):
        return from_rule(log, run, ranked[0], others)
    if unknown is not None:
        return from_exception(log, unknown, others)
    if ranked:
        return from_rule(log, run, ranked[0], others)
    if evidence.quoted:
        return from_exception(log, evidence.quoted[0], others)
    return _from_lines(log, run, found, raised, hidden)


def _from_lines(
    log: Log, run: ServerRun, found: list[Match], raised: list[Raised], hidden: set[int]
) -> Diagnosis | None:
    """Return the diagnosis of a run in which neither a rule nor an exception shows the cause."""
    others = others_of(log, found)
    symptom, wrapper, note = (_first_of(kind, found) for kind in ("symptom", "wrapper", "note"))
    failed = not run.ready or symptom or wrapper
    lines = ranked_lines(log, run, hidden) if failed else {}
    if Strength.RAISED in lines:
        return from_line(log, lines[Strength.RAISED])
    if symptom is not None and symptom.rule.weight > _VAGUE:
        return from_rule(log, run, symptom, others)
    stated = lines.get(Strength.STATED)
    if stated is not None and _is_cut_after(log, run, stated):
        return from_cut(log, last_frame(log, run) or stated, log.line(stated).message)
    if stated is None and symptom is not None:
        stated = lines.get(Strength.WORDED)
    if stated is not None and (symptom is None or stated < symptom.number):
        return from_line(log, stated)
    if symptom is not None:
        return from_rule(log, run, symptom, others)
    if wrapper is not None:
        return from_rule(log, run, wrapper, others)
    if (death := first_death(log, run)) is not None:
        worded = lines.get(Strength.WORDED, death)
        return from_line(log, worded) if worded < death else from_death(log, death, others)
    if note is not None:
        return from_rule(log, run, note, others, failure=False)
    request = _first_unknown([one for one in raised if one.request], hidden)
    if request is not None:
        return from_request(log, request)
    if run.ready:
        logged = logged_error(log, run, hidden)
        return None if logged is None else from_mention(log, logged)
    return _from_weak_lines(log, run, lines)


def _from_weak_lines(log: Log, run: ServerRun, lines: dict[Strength, int]) -> Diagnosis | None:
    """Return the diagnosis of a run of which only words, or consequences, tell something."""
    worded, cut = lines.get(Strength.WORDED), last_frame(log, run)
    if cut is not None and (worded is None or worded < cut):
        title = "" if worded is None else log.line(worded).message.strip()
        return from_cut(log, cut, title_of_cut(log, run) or title)
    if worded is not None:
        # What failed because of it makes it sure.
        return (from_line if Strength.CONSEQUENCE in lines else from_mention)(log, worded)
    if Strength.CONSEQUENCE in lines:
        return from_line(log, lines[Strength.CONSEQUENCE])
    weakest = max(lines, default=None)
    return from_mention(log, lines[weakest]) if weakest is not None else None


def _is_cut_after(log: Log, run: ServerRun, number: int) -> bool:
    """Return whether line `number` is a consequence, and the traceback of its cause is cut off."""
    cut = last_frame(log, run)
    return cut is not None and cut > number and is_consequence(log.line(number).message)


def _first_of(kind: str, found: list[Match]) -> Match | None:
    of_kind = [match for match in found if match.rule.kind == kind]
    return min(of_kind, key=lambda match: (-match.rule.weight, match.number), default=None)


def _is_cause(match: Match, fatal: list[Raised]) -> bool:
    """Return whether the match shows a failure of the server, which a request may have caused."""
    if match.rule.kind == "note":
        return any(match.number in one.lines for one in fatal)
    return match.rule.kind == "cause"


def _rank(match: Match, fatal: list[Raised]) -> tuple[int, int, int]:
    certain = match.rule.root or any(match.number in one.lines for one in fatal)
    return (0 if certain else 1, -match.rule.weight, match.number)


def _best_captured(ranked: list[Match]) -> Match:
    """Return the best match, or the first of the same rule that captured more of its values."""
    best = ranked[0]
    more = [match for match in ranked if match.rule is best.rule]
    return max(more, key=lambda match: (len(match.captures), -match.number))


def _is_less_sure(match: Match, fatal: list[Raised], unknown: Raised | None) -> bool:
    """Return whether an exception that no rule knows ended the server, and `match` is not in it."""
    uncertain, _, _ = _rank(match, fatal)
    return uncertain != 0 and unknown is not None and unknown.fatal


def _first_unknown(raised: list[Raised], hidden: set[int]) -> Raised | None:
    """Return the first exception that is a real error: the deepest of the first failed process."""
    for one in raised:
        if one.number in hidden or one.type.rpartition(".")[2] in LEAVING:
            continue
        if one.continued and (one.type in _LOOKUP_ERRORS or not one.message):
            continue
        if is_consequence(one.text):
            continue
        return one
    return None
