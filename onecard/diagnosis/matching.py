"""Find the matches of the rules in one run of a log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onecard.diagnosis.code import is_code
from onecard.diagnosis.log import Log, ServerRun
from onecard.diagnosis.rule import Pattern, Rule

_QUIET_LEVELS = ("INFO", "WARNING", "DEBUG")
# torch warns that CUDA does not start, and the program has no GPU.
_PYTHON_WARNING = re.compile(
    r"(?:\S+\.py:\d+: \w*Warning: |\w*UserWarning: )(?!CUDA initialization: )"
)
# vLLM prints the whole request when an engine dies: its text is not an error message.
_DUMPS = ("Dumping input data", "Dumping scheduler")
_MOST_LINES = 2000
_MOST_MATCHES = 20


@dataclass(frozen=True)
class Match:
    """A rule, the line (counted from 0) that it matched, and what it captured there."""

    rule: Rule
    number: int
    captures: Mapping[str, str]


def matches(log: Log, run: ServerRun, rules: Iterable[Rule]) -> list[Match]:
    """Every rule's matches in `run`, but those after it was stopped."""
    live = ServerRun(run.first, run.quiet_from, run.quiet_from, run.ready)
    found: list[Match] = []
    for rule in rules:
        if rule.only_with and not any(log.holds(literal, run) for literal in rule.only_with):
            continue
        if any(log.holds(literal, run) for literal in rule.without):
            continue
        for pattern in rule.patterns:
            found += _pattern_matches(log, live, rule, pattern)
    return found


def _pattern_matches(log: Log, run: ServerRun, rule: Rule, pattern: Pattern) -> list[Match]:
    found: list[Match] = []
    for count, number in enumerate(log.find(pattern.find, run)):
        if count >= _MOST_LINES or len(found) >= _MOST_MATCHES:
            break
        line = log.line(number)
        if not rule.quiet and (line.level in _QUIET_LEVELS or _PYTHON_WARNING.match(line.message)):
            continue
        if line.message.startswith(_DUMPS) or line.message.startswith("# HELP"):
            continue
        if not pattern.code and is_code(log, number):
            continue
        captures: dict[str, str] = {}
        if pattern.regex is not None:
            match = pattern.regex.search(line.message)
            if match is None:
                continue
            cleaned = {name: _unquoted(text or "") for name, text in match.groupdict().items()}
            captures = {name: text for name, text in cleaned.items() if text}
        found.append(Match(rule, number, captures))
    return found


def _unquoted(text: str) -> str:
    """Return a captured value without spaces and without quotes that belong to the line."""
    text = text.strip()
    for quote in "'\"`":
        if text.count(quote) % 2 or (len(text) > 1 and text[0] == text[-1] == quote):
            text = text.strip(quote)
    return text
