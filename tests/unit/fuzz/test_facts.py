"""Facts, as a box prints them and as a file holds them: each check has an answer for them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onecard.doctor import checkup
from onecard.doctor.replay import read_replay
from onecard.driver import decide
from onecard.errors import OnecardError
from onecard.facts import PROBES, read_facts, to_json
from onecard.settings.settings import Settings
from onecard.ssh.probe_batch import Answer
from tests.unit.fuzz.texts import JSON, LINES, changed

JUNK = ("", "x", "-1", "²", "9" * 5000, "1e999", "nan", "\0", "a b c")
MORE = {  # lines that no captured box has
    "network": "mapped=443=41443",
    "packages": "lock=/var/lib/dpkg/lock 12 apt",
    "kernel_log": "line=NVRM: Xid (PCI:0000:06:00): 79, pid=1, GPU has fallen off the bus",
}
CELLS = re.compile(r"([ ,:=.]+)")
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
        value = draw(st.sampled_from(JUNK))
        lines[at] = draw(st.just(f"{key}={value}") | LINES | st.just(""))
        kept = lines[: at + 1] if draw(st.booleans()) else lines
        answers[name] = Answer("\n".join(kept), draw(st.sampled_from([0, 1, 124, 255])))
    return answers


def examine(answers: dict[str, Answer]) -> None:
    """Do all that a command does with a box's answers."""
    with suppress(OnecardError):
        facts = read_facts(answers, now=1.0)
        json.dumps(to_json(facts), allow_nan=False)
        checkup(facts, Settings())
        decide(facts, Settings().driver)


@given(damaged())
@example({"disks": Answer("path=/\nblocks=/dev/vda 9 1 1 1% /\ninodes=x\n")})
def test_the_facts_of_a_box(answers: dict[str, Answer]) -> None:
    examine(answers)


def cells() -> list[tuple[dict[str, Answer], str, int, int]]:
    """Return (answers, probe, line, cell) for each cell of each kind of line that a box printed."""
    found: dict[tuple[str, str, int], tuple[dict[str, Answer], str, int, int]] = {}
    for box in captured():
        answers = {
            name: replace(answer, output=f"{answer.output}\n{MORE.get(name, '')}")
            for name, answer in box.items()
        }
        for probe, answer in answers.items():
            for at, line in enumerate(answer.output.split("\n")):
                key, _, value = line.partition("=")
                for cell in range(0, len(CELLS.split(value)), 2):
                    found.setdefault((probe, key, min(cell, 24)), (answers, probe, at, cell))
    return list(found.values())


@pytest.mark.parametrize("junk", JUNK)
def test_every_cell_of_every_line_as_junk(junk: str) -> None:
    every = cells()
    for answers, probe, at, cell in every[:: max(1, 400 // settings.default.max_examples)]:
        lines = answers[probe].output.split("\n")
        key, _, value = lines[at].partition("=")
        parts = CELLS.split(value)
        lines[at] = f"{key}={''.join([*parts[:cell], junk, *parts[cell + 1 :]])}"
        examine({**answers, probe: replace(answers[probe], output="\n".join(lines))})


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
