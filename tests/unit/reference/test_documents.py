"""What `--json` prints has the keys that docs/documents.md promises."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from invoke import Context, Exit
from pydantic import ValidationError

import tasks
from onecard.engine.host_report import HostReport, RoleReport
from onecard.reference.documents.commands import DOCUMENTS
from onecard.reference.documents_schema import check, documents_schema

FIXTURES = Path(__file__).parents[1] / "fixtures"
FACTS = FIXTURES / "facts" / "rtx-5090-closed-modules.yml"
# What version 0.1.0 printed for a sandbox box, long lists cut: COMMAND.json or COMMAND-CASE.json.
RECORDED = sorted((FIXTURES / "documents").glob("*.json"))


@pytest.mark.parametrize(
    ("command", "flags", "code"),
    [
        ("fit", {}, 0),
        ("fit", {"scoreboard": True}, 0),
        ("hosts", {}, 0),
        ("runs", {}, 0),
        ("diagnose", {"log": str(FIXTURES / "logs" / "cpu-0.32.0-ok.log")}, 0),
        ("doctor", {"facts": str(FACTS)}, 0),
        ("plan", {"facts": str(FACTS)}, 0),
        ("plan", {"facts": str(FACTS), "exit_code": True}, 4),
        ("doctor", {"facts": "nothing.json"}, 2),
        ("plan", {"facts": str(FACTS), "diff": True}, 2),
        ("fit", {"gpu": "nothing"}, 2),
        ("deploy", {"host": "nobody"}, 2),
    ],
)
def test_a_document_has_the_keys_that_are_promised(
    command: str, flags: dict[str, object], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        tasks.namespace[command](Context(), **flags, json=True)
    except Exit as ended:
        assert ended.code == code
    else:
        assert code == 0
    check(command, capsys.readouterr().out)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_keys_are_those_of_the_first_version(path: Path) -> None:
    check(path.stem.partition("-")[0], path.read_text())


def test_a_report_of_a_host_with_and_without_what_may_be_left_out() -> None:
    short = HostReport("a", [RoleReport("base", ok=3)])
    full = HostReport(
        "b",
        [RoleReport("base", changed=1)],
        error="no route",
        exit_code=3,
        reboot_needed=True,
        pending=[{"role": "base", "resource": "apt git", "changes": ["x: absent -> y"]}],
    )
    check("provision", json.dumps({"hosts": [short.to_json(), full.to_json()]}))


@pytest.mark.parametrize(
    "change", [{"secnds": 1.0}, {"status": "great"}, {"roles": None}, {"changed": "1"}]
)
def test_another_key_or_kind_of_value_is_detected(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        check("plan", json.dumps({"hosts": [HostReport("a").to_json() | change]}))


def test_every_command_with_json_has_a_document() -> None:
    listed = {
        name
        for name, task in tasks.namespace.tasks.items()
        if "json" in inspect.signature(task.body).parameters
    }
    assert listed | {"report", "sandbox.list"} == set(DOCUMENTS)
    assert set(documents_schema()["commands"]) == {*DOCUMENTS, "error"}
