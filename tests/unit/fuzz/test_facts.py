"""Facts, as a box prints them and as a file holds them: each check has an answer for them."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onecard.doctor import checkup
from onecard.doctor.replay import read_replay
from onecard.driver import decide
from onecard.errors import OnecardError
from onecard.facts import PROBES, read_facts, to_json
from onecard.settings.settings import Settings
from onecard.ssh.probe_batch import Answer
from tests.unit.fuzz.texts import JSON, LINES, changed

FIXTURES = Path(__file__).parents[1] / "fixtures" / "facts"


@cache
def captured() -> list[dict[str, Answer]]:
    return [
        {name: Answer(**answer) for name, answer in json.loads(path.read_text()).items()}
        for path in sorted(FIXTURES.glob("*-container.json"))
    ]


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Answer]:
    """Return a box's answers, in which a few lines are others, or the end is missing."""
    answers = dict(draw(st.sampled_from(captured())))
    for name in draw(st.lists(st.sampled_from(sorted(PROBES)), min_size=1, max_size=4)):
        lines = answers[name].output.split("\n") if name in answers else [""]
        at = draw(st.integers(0, len(lines) - 1))
        key = lines[at].partition("=")[0]
        value = draw(st.sampled_from(["", "x", "-1", "9" * 5000, "1e999", "nan", "\0", "a b c"]))
        lines[at] = draw(st.just(f"{key}={value}") | LINES | st.just(""))
        kept = lines[: at + 1] if draw(st.booleans()) else lines
        answers[name] = Answer("\n".join(kept), draw(st.sampled_from([0, 1, 124, 255])))
    return answers


@given(damaged())
@example({"disks": Answer("path=/\nblocks=/dev/vda 9 1 1 1% /\ninodes=x\n")})
def test_the_facts_of_a_box(answers: dict[str, Answer]) -> None:
    with suppress(OnecardError):
        facts = read_facts(answers, now=1.0)
        json.dumps(to_json(facts))
        checkup(facts, Settings())
        decide(facts, Settings().driver)


@cache
def files() -> list[dict[str, Any]]:
    return [json.loads(json.dumps(to_json(read_facts(answers)))) for answers in captured()]


@given(changed(files) | JSON)
def test_a_file_of_facts(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("facts") / "box.json"
    path.write_text(json.dumps(value), errors="replace")
    with suppress(OnecardError):
        found = read_replay(path, "box.json")
        found.marked(checkup(found.facts, Settings()))
