"""A rule's texts: no detail that the log does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined]

import pytest

from onecard.diagnosis import Rule, shipped_rules
from onecard.diagnosis.texts import fill, needed_names

TEXTS = ("cause", "fix", "command", "on_box")


def always(pattern: str) -> set[str]:
    """Return the groups that take part in every match."""
    tree = _parser.parse(pattern)
    numbers = set(_certain(tree))
    return {name for name, number in tree.state.groupdict.items() if number in numbers}


def _certain(tree: object) -> Iterator[int]:
    for kind, value in tree:  # type: ignore[attr-defined]
        if str(kind) == "SUBPATTERN":
            if value[0]:
                yield value[0]
            yield from _certain(value[3])
        elif str(kind) in ("MAX_REPEAT", "MIN_REPEAT") and value[0] > 0:
            yield from _certain(value[2])


def test_optional_groups_are_recognised() -> None:
    assert always(r"(?P<a>x)(?:y(?P<b>z))?(?P<c>q)+|w") == set()
    assert always(r"(?P<a>x)(?:y(?P<b>z))?(?P<c>q)+") == {"a", "c"}


@pytest.mark.parametrize("rule", shipped_rules(), ids=lambda rule: rule.id)
def test_a_log_without_the_values_gets_the_general_text(rule: Rule) -> None:
    """Every name without a general text is captured by each match, and not empty."""
    for pattern in rule.patterns:
        captured = always(pattern.match) if pattern.match else set()
        for key in TEXTS:
            assert needed_names(getattr(rule, key)) <= captured, (pattern.find, key)
    for key in TEXTS:
        template = getattr(rule, key)
        text = fill(template, dict.fromkeys(needed_names(template), "5"))
        assert not re.search(r"\{\w+\}|\{\{|\[\[|\|\||\bNone\b| [,;]| \.$|  ", text), text


def test_a_part_without_its_value() -> None:
    text = "[[Port {port}||The port]] is taken[[ by {who}]]."
    assert fill(text, {"port": "1"}) == "Port 1 is taken."
    assert fill(text, {"who": "me"}) == "The port is taken by me."
    assert needed_names(text) == set()
    assert needed_names("{a} [[{b}||{c}]]") == {"a", "c"}


def test_what_cannot_be_computed_is_left_out() -> None:
    rule = next(rule for rule in shipped_rules() if rule.id == "gpu-memory-taken")
    values = {"free": "1.2.3", "total": "0", "want": "9", "share": "0.9"}
    assert rule.fill(rule.command, values) == "invoke doctor"
    assert "instead" not in rule.fill(rule.fix, values)
