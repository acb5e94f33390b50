"""`invoke report` as it is typed: which host, which sides, which file, one line for a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from onecard.commands.measure.report import report as write_report
from onecard.errors import UsageError
from onecard.report.evidence.sides import side
from tests.support import sample_runs as sample

PROJECT = Path(__file__).resolve().parents[3]
INVOKE = Path(sys.executable).parent / "invoke"
KEY = "planted-key-8gH2"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    sample.write(sample.all_runs()[:4], folder)  # without the runs whose plots take seconds
    other = sample.run("smoke", "2026-11-20T12:00:00Z", sample.smoke(), host="root@192.0.2.7:22")
    sample.write([other], folder)
    return folder


def report(runs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ONECARD_RUNS": str(runs), "ONECARD_HOST": "", "MY_TOKEN": KEY}
    return subprocess.run(
        [INVOKE, "report", *words],
        cwd=PROJECT, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_host_with_records_need_not_be_in_the_inventory(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    done = report(runs, "--host", sample.HOST, "--out", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    assert f"report: {out}" in done.stderr
    assert out.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["--format", "json"], "{"),
        (["--format", "md"], "# Qwen"),
        (["--format", "html"], "<!doctype html>"),
        ([], "<!doctype html>"),
    ],
)
def test_every_form_to_standard_output(runs: Path, words: list[str], begins: str) -> None:
    done = report(runs, "--host", sample.HOST, "--out", "-", *words)
    assert done.returncode == 0
    assert done.stdout.startswith(begins)
    if begins == "{":
        assert json.loads(done.stdout)["title"].startswith("Qwen3.5-27B")


def test_the_form_follows_the_file_name(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.md"
    assert report(runs, "--host", sample.HOST, "--out", str(out)).returncode == 0
    assert out.read_text().startswith("# Qwen3.5-27B")


def test_two_sides_are_two_words(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "both.md"
    done = report(
        runs, "--compare", f"{sample.HOST}:4096", f"{sample.HOST}:65536", "--out", str(out)
    )
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    assert "a100-1:4096 and a100-1:65536" in text


def test_a_file_is_named_after_the_whole_of_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ("root@203.0.113.10", "root@203.0.113.11")
    for host in hosts:
        sample.write([sample.run("smoke", "2026-11-20T12:00:00Z", sample.smoke(), host)], tmp_path)
    record = next((tmp_path / hosts[0]).glob("*.jsonl"))
    monkeypatch.setenv("ONECARD_RUNS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_report("", pair=hosts, out="", kind="json")
    write_report("", pair=(str(record), hosts[1]), out="", kind="json")
    assert sorted(path.name for path in tmp_path.glob("report-*")) == [
        "report-20261120T120000Z-smoke-and-root@203.0.113.11.json",
        "report-root@203.0.113.10-and-root@203.0.113.11.json",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--host", "nowhere"], "nowhere"),
        (["--host", sample.HOST, "--format", "pdf"], '--format: "pdf" is none of html, md, json'),
        (["--compare", sample.HOST, "nowhere"], "hosts with records: a100-1, root@192.0.2.7:22"),
        (["--compare", sample.HOST, f"{sample.HOST}@2020-01-01"], "a100-1 has no record up to"),
        (["--compare", sample.HOST], f"--compare A B (given: {sample.HOST}) needed value"),
        (["--compare"], "Flag --compare A B needed value and was not given one"),
        (
            ["--host", sample.HOST, "--compare", sample.HOST, "root@192.0.2.7:22"],
            "--compare names its sides itself: leave out --host",
        ),
        (["--compare", sample.HOST, "--out", "x.html"], "needed value and was not given one"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(runs: Path, words: list[str], message: str) -> None:
    done = report(runs, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_file_that_cannot_be_written_is_reported(runs: Path, tmp_path: Path) -> None:
    done = report(runs, "--host", sample.HOST, "--out", str(tmp_path / "no" / "page.html"))
    assert done.returncode == 1
    assert "cannot be written: No such file or directory" in done.stderr


def test_a_secret_known_now_is_not_in_the_page(runs: Path) -> None:
    leaked = sample.smoke(wrong={"01-colour": f"the key is {KEY}"})
    sample.write([sample.run("smoke", "2026-11-22T12:00:00Z", leaked)], runs)
    for form in ("html", "md", "json"):
        done = report(runs, "--host", sample.HOST, "--out", "-", "--format", form)
        assert done.returncode == 0
        assert KEY not in done.stdout
        assert "the key is" in done.stdout


def test_broken_and_foreign_records_do_not_stop_a_report(runs: Path) -> None:
    folder = runs / sample.HOST
    (folder / "20261120T130000Z-smoke.jsonl").write_text("not a record\n")
    last = sorted(folder.glob("*-smoke.jsonl"))[0]
    last.write_text(last.read_text() + '{"event": "case", "name"')
    done = report(runs, "--host", sample.HOST, "--out", "-", "--format", "md")
    assert done.returncode == 0
    assert "warning: " in done.stderr
    assert "1 broken lines" in done.stdout


def test_sides() -> None:
    runs = [*sample.all_runs(), sample.run("smoke", "2026-11-21T00:00:00Z", [], host="root@h:22")]
    folder = Path("/nonexistent")
    assert len(side(sample.HOST, runs, folder).runs) == len(sample.all_runs())
    assert side(f"{sample.HOST}:65536", runs, folder).ctx == 65536
    assert side("root@h:22", runs, folder).host == "root@h:22"
    assert side("root@h:22:4096", runs, folder).ctx == 4096
    until = side(f"{sample.HOST}@2026-11-20T09:30", runs, folder)
    assert [run.kind for run in until.runs] == ["provision", "deploy", "deploy", "smoke", "scale"]
    day = side(f"{sample.HOST}@2026-11-20:4096", runs, folder)
    assert (len(day.runs), day.ctx) == (len(sample.all_runs()), 4096)
    assert day.smoke is not None
    assert day.smoke.ctx == 4096
    with pytest.raises(UsageError, match="give HOST, HOST:CTX"):
        side("other", runs, folder)
