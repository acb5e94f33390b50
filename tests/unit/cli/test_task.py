"""What every task shares: exit codes, one line for an error, JSON alone on standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from invoke import Exit

from onecard.cli import flag_values, targets
from onecard.cli.task import print_rows, task_body
from onecard.commands import deploy_flags
from onecard.engine.host_report import HostReport, RoleReport
from onecard.errors import (
    AuthenticationError,
    BusyError,
    CommandError,
    DriftError,
    HostKeyError,
    OnecardError,
    PreflightError,
    UnhealthyError,
    UnreachableError,
    UsageError,
)
from onecard.project import PROJECT, inventory_folder


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4096", 4096),
        ("-1", -1),
        ("0.9", 0.9),
        ("1e3", 1000.0),
        ("Qwen/Qwen3.5-27B", "Qwen/Qwen3.5-27B"),
        ("", ""),
        ("true", "true"),
        ("4096x", "4096x"),
        ('"123"', "123"),
        ("'0.9'", "0.9"),
        ('{"image": 4}', {"image": 4}),
        ("{image: 4, video: 0}", {"image": 4, "video": 0}),
    ],
)
def test_what_a_flag_means(text: str, value: object) -> None:
    found = flag_values.flag_value("--flag", text)
    assert (found, type(found)) == (value, type(value))


def test_a_broken_mapping_is_reported() -> None:
    with pytest.raises(UsageError, match=r"--flag: \{image: is neither JSON nor YAML"):
        flag_values.flag_value("--flag", "{image:")


def test_positive() -> None:
    assert flag_values.positive("--repeats", "3") == 3


@pytest.mark.parametrize("text", ["0", "-2", "many", "", "1.5"])
def test_not_positive(text: str) -> None:
    with pytest.raises(UsageError, match=f'--repeats: "{text}" is not a whole number'):
        flag_values.positive("--repeats", text)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OnecardError("x"), 1),
        (UsageError("x"), 2),
        (UnreachableError("x"), 3),
        (HostKeyError("x"), 3),
        (AuthenticationError("x"), 3),
        (BusyError("x"), 1),
        (CommandError("x"), 1),
        (PreflightError("x"), 1),
        (DriftError("x"), 1),
        (UnhealthyError("x"), 1),
        (KeyboardInterrupt(), 1),
        (RuntimeError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    @task_body
    def body(json: bool = False) -> None:
        raise error

    with pytest.raises(Exit) as caught:
        body()
    assert caught.value.code == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1

    with pytest.raises(Exit):
        body(json=True)
    shown = capsys.readouterr()
    message = shown.err.removeprefix("error: ").rstrip("\n")
    assert json.loads(shown.out) == {"error": message, "exit_code": code}


def test_the_detail_is_indented_below_the_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @task_body
    def body() -> None:
        raise CommandError("apt failed", "E: no\nE: network")

    with pytest.raises(Exit):
        body()
    assert capsys.readouterr().err == "error: apt failed\n    E: no\n    E: network\n"


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3), (4, 4)])
def test_a_returned_number_is_the_exit_code(returned: int | None, code: int) -> None:
    @task_body
    def body(word: str, flag: bool = False) -> int | None:
        assert (word, flag) == ("w", True)
        return returned

    try:
        body("w", flag=True)
        assert code == 0
    except Exit as left:
        assert left.code == code


def test_a_task_retains_its_name_and_words() -> None:
    @task_body
    def provision(c: object, host: str = "") -> None:
        """Install everything."""

    assert (provision.__name__, provision.__doc__) == ("provision", "Install everything.")


def invoke(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=PROJECT,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "ONECARD_RUNS": os.environ["ONECARD_RUNS"],
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("inventory")
    # Port 1 of this computer refuses at once.
    (folder / "hosts.yml").write_text(
        "all: {hosts: {closed: {address: 127.0.0.1, port: 1, user: root}, "
        "shut: {address: 127.0.0.1, port: 1, user: root}}}\n"
    )
    return {"ONECARD_INVENTORY": str(folder)}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["provision", "--host", "closd"], 2, "there is no host or group closd"),
        (["provision", "--nonsense"], 2, "--nonsense"),
        (["smoke", "--host", "closed", "--repeats", "0"], 2, "--repeats"),
        (["deploy", "--host", "closed", "--ctx", "many"], 2, "--ctx"),
        (
            ["deploy", "--host", "closed", "--model", "a/b", "--tool-call-parser", "auto"],
            2,
            "serve.tool_call_parser: auto: no preset has a value for a/b",
        ),
        (["deploy", "--host", "closed", "--model", "./none"], 2, "is empty or does not exist"),
        (["deploy", "--host", "closed", "--model", "Qwen//x y"], 2, "neither a repository"),
        (["status", "--host", "closed"], 3, "closed: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes_of_the_tasks(
    inventory: Mapping[str, str], arguments: list[str], code: int, words: str
) -> None:
    done = invoke(*arguments, environment=inventory)
    assert done.returncode == code, done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_login_to_indexes_that_is_none_is_reported_before_any_connection(
    inventory: Mapping[str, str],
) -> None:
    environment = {**inventory, "ONECARD_INDEX_CREDENTIALS": "no-colon"}
    done = invoke("provision", "--host", "closed", environment=environment)
    assert done.returncode == 2
    assert "ONECARD_INDEX_CREDENTIALS: is not name:password" in done.stderr


def test_json_stays_one_document_when_a_host_cannot_be_reached(
    inventory: Mapping[str, str],
) -> None:
    done = invoke("provision", "--host", "all", "--json", environment=inventory)
    assert done.returncode == 3
    shown = json.loads(done.stdout)
    assert [(host["host"], host["status"]) for host in shown["hosts"]] == [
        ("closed", "unreachable"),
        ("shut", "unreachable"),
    ]
    assert all(host["error"] in done.stderr for host in shown["hosts"])


def test_a_host_report_adds_up_and_is_one_json_object() -> None:
    report = HostReport(
        "a100-1", [RoleReport("base", 6, 2), RoleReport("model", 0, 1, 1, 1, 2.345)]
    )
    report.round_trips, report.seconds, report.error = 4, 12.3456, "model failed"
    report.exit_code = 1
    assert json.loads(json.dumps(report.to_json())) == {
        "host": "a100-1",
        "status": "failed",
        "changed": 3,
        "ok": 6,
        "failed": 1,
        "skipped": 1,
        "seconds": 12.35,
        "round_trips": 4,
        "roles": [
            {
                "name": "base",
                "status": "changed",
                "ok": 6,
                "changed": 2,
                "failed": 0,
                "skipped": 0,
                "seconds": 0,
            },
            {
                "name": "model",
                "status": "failed",
                "ok": 0,
                "changed": 1,
                "failed": 1,
                "skipped": 1,
                "seconds": 2.35,
            },
        ],
        "error": "model failed",
    }


@pytest.mark.parametrize(
    ("exit_code", "error", "roles", "status"),
    [
        (0, "", [], "ok"),
        (0, "", [RoleReport("base", changed=1)], "changed"),
        (0, "", [RoleReport("base", failed=1)], "failed"),
        (1, "locked", [], "failed"),
        (3, "no route", [RoleReport("base", changed=1)], "unreachable"),
    ],
)
def test_status_of_a_host(exit_code: int, error: str, roles: list[RoleReport], status: str) -> None:
    report = HostReport("a", roles, error=error, exit_code=exit_code)
    assert report.status == status


def test_extra_arguments_are_words_as_in_a_shell() -> None:
    given = {"extra_args": "--seed 0 --x 'a b'"}
    assert deploy_flags.flags(given) == {
        "--extra-args": ("serve.extra_args", ["--seed", "0", "--x", "a b"])
    }
    with pytest.raises(UsageError, match=r"--extra-args: No closing quotation in --x 'y"):
        deploy_flags.flags({"extra_args": "--x 'y"})


def test_a_variable_that_names_no_inventory_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path))
    assert inventory_folder() == tmp_path
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path / "invetory"))
    with pytest.raises(UsageError, match=r"ONECARD_INVENTORY: .*/invetory does not exist"):
        targets.load_inventory()
    monkeypatch.delenv("ONECARD_INVENTORY")
    assert inventory_folder() == PROJECT / "inventory"


def test_no_title_touches_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([("fix", "a [b]"), ("on the box", "sudo ss"), ("port", 8000)])
    assert capsys.readouterr().out.splitlines() == [
        "fix         a [b]",
        "on the box  sudo ss",
        "port        8000",
    ]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400)])
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    assert flag_values.duration("--after", text) == seconds


@pytest.mark.parametrize("text", ["30", "", "0m", "-1m", "30 m", "1d", "m"])
def test_a_time_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--after: .* is not a time such as 90s, 30m or 2h"):
        flag_values.duration("--after", text)
