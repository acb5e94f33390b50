"""Diagnosis of logs from public issue threads, with verdicts set down before the first run.

Each file names its thread. They are reduced to the programs' own lines; where a thread tells the
last line only in its words or title, the lines around it are put in vLLM's form. `none`: no rule
should claim it, and its true first error be shown; `note`: it is not a failure of the server. What is
`untouched` was never used to change a rule; but some failures are of one kind, so a change made
for one may help another.

    step                                             named right   true line shown   wrong
    first 28, rules as first written                  17
    first 28, after changes made from half of them    24 (14 of 14 tuned, 10 of 14 untouched)
    36 kept back of 109, rules of then                21            10                 5
    36 kept back of 109, after changes from the rest  28             5                 3
    81 fresh ones, rules of then                      29            38                14
    81 fresh ones, after those changes, first run     34            37                10

What the 109 told had been read in a summary before the rules were changed, so of these numbers the
last line is the honest one; for 28 of those logs the verdict is `none`. The fresh ones came in three
parts, each measured before it was used; all but 14 of them have served since. 68 of the 109 and all
fresh ones are here. Missed and left so, among others: a library mismatch logged only as a warning, a
config without architectures, a Python error inside a dpkg script, an Xid 109 that follows the
program's own fault.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from onecard.diagnosis import diagnose

HELDOUT = Path(__file__).parents[1] / "fixtures" / "logs" / "heldout"
EXPECTED = yaml.safe_load((HELDOUT / "expected.yml").read_text(encoding="utf-8"))
MISSED = {
    "tuned": {
        "xid-13-then-109",
        "bnb-unsupported",
        "fabric-config-item",
        "dict-model-type",
        "pip-resolver",
    },
    "untouched": {
        "import-warning",
        "no-architectures",
        "dpkg-quirks",
        "fabric-job-failed",
        "nccl-nvls",
        "triton-misaligned",
    },
}


@pytest.mark.parametrize("part", MISSED)
def test_the_score_does_not_fall(part: str) -> None:
    missed = set()
    for name, entry in EXPECTED.items():
        if entry["part"] == part:
            found = diagnose((HELDOUT / f"{name}.log").read_text(encoding="utf-8"))
            failure = not entry.get("note", False)
            if (found.rule or "none", found.failure) != (entry["rule"], failure):
                missed.add(name)
    assert missed <= MISSED[part]


def test_every_log_has_its_verdict_and_source() -> None:
    logs = {path.stem: path.read_text(encoding="utf-8") for path in HELDOUT.glob("*.log")}
    assert set(logs) == set(EXPECTED)
    assert all(text.startswith("# reduced from https://github.com/") for text in logs.values())
