"""Test which lines are shown beside the likeliest where no rule knows the failure."""

from __future__ import annotations

import pytest

from onecard.diagnosis import diagnose
from onecard.diagnosis.candidates import MOST

LOGS = {
    "the error of another process": (
        """\
(Worker_TP0 pid=1) ERROR 11-23 08:31:15 [a.py:1] MoonError: the moon is not full
(Worker_TP1 pid=2) ERROR 11-23 08:31:16 [a.py:1] SunError: the sun does not shine
""",
        "SunError",
    ),
    "the last error of the same form": (
        "error: no first thing\n"
        + "".join(f"error: cannot reach the {name}\n" for name in ("moon", "sun", "stars"))
        + "error: gave up on everything\n",
        "gave up",
    ),
    "what was printed last, in words that no form has": (
        """\
error: waiting for the moon was of no use
the container fell over
""",
        "fell over",
    ),
    "what came before the first error": (
        """\
moon: it rose twice
moon: probe failed
done
""",
        "rose twice",
    ),
    "the output of a start that ends in the middle": (
        "loading\nWARNING: you appear to live on another moon\nmaking it\nwaiting\n",
        "another moon",
    ),
    "what explains an exit that only systemd reports": (
        """\
Jul 28 08:28:31 box systemd[1]: a.service: Main process exited, code=exited, status=1/FAILURE
Jul 28 08:28:31 box a[9]: the moon is missing
""",
        "the moon is missing",
    ),
}


@pytest.mark.parametrize(("log", "line"), LOGS.values(), ids=LOGS)
def test_another_line_that_may_state_the_error_is_shown(log: str, line: str) -> None:
    found = diagnose(log)
    assert line not in found.cause
    shown = [one for one in found.candidates if line in one.line]
    assert shown and shown[0].line in log.split("\n")[shown[0].line_number - 1]
    assert len(found.candidates) <= MOST


def test_the_line_of_the_diagnosis_is_the_first() -> None:
    found = diagnose(LOGS["the last error of the same form"][0])
    assert found.candidates[0].line == found.line == "error: no first thing"
    assert found.to_json()["candidates"][0] == {"line_number": 1, "line": found.line}


def test_a_repetition_is_no_other_error() -> None:
    log = "".join(
        f"error: cannot reach moon {n:05} at 10.0.0.{n}\n" for n in range(1, 20_000, 1000)
    )
    assert len(diagnose(log).candidates) == 1


def test_where_a_rule_names_the_cause_nothing_else_is_shown() -> None:
    log = "E: Unable to locate package moon\nerror: the sun does not shine\n"
    found = diagnose(log)
    assert found.rule and found.candidates == ()


def test_a_log_without_a_line_has_no_candidates() -> None:
    assert diagnose("\n\n").candidates == ()
