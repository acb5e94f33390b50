"""A start on trial, as the program on the box follows it: whatever happens, it ends in a verdict."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from onecard.box import answer, cards, release, unit
from onecard.box.cards import CardWatch
from onecard.box.port import taken_by
from onecard.box.tell import MARK
from onecard.deploy.console import DeployConsole
from onecard.deploy.startup_check import StartupCheck
from onecard.deploy.startup_frames import Past, read_frame
from onecard.deploy.watch import check_installed
from onecard.ssh.shell import Result
from tests.support.web import serving

WAITER = Path(release.__file__).parent / "wait-for-memory.sh"
STARTING = {
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "NRestarts": "0",
    "InvocationID": "1",
    "MainPID": "0",
}


@pytest.fixture
def hanging_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that never answers; returns the file that counts its calls."""
    requested = tmp_path / "asked"
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho >>{requested}\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return requested


def test_a_card_that_hangs_is_queried_once(
    hanging_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "LONGEST_S", 0.5)
    watch = CardWatch()
    watch.sample()
    watch.sample()
    assert watch.peaks() == []
    assert hanging_card.read_text().count("\n") == 1


def test_a_card_that_hangs_does_not_hold_a_start_up(hanging_card: Path) -> None:
    waiter = WAITER.read_text()
    asks = "nvidia-smi $cards --query"
    assert waiter.count(asks) == waiter.count(f"timeout 20 {asks}") == 2
    soon = waiter.replace("timeout 20", "timeout 0.5")
    done = subprocess.run(["sh", "-c", soon, "wait", "0.9"], timeout=30, check=False)
    assert done.returncode == 0


def answering(reply: object) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    return Handler


@pytest.mark.parametrize("reply", [{}, {"data": None}, {"data": [{"name": "x"}]}, {"data": ["x"]}])
def test_another_program_on_the_port_is_no_answer(reply: object) -> None:
    with serving(answering(reply), "127.0.0.1") as url:
        assert answer.is_healthy(url)
        with pytest.raises(answer.NotReadyError, match="is not a server of vLLM"):
            answer.send_question({"url": url, "model": "tiny", "body": {}}, 10.0)


def test_a_program_that_does_not_speak_http_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            for _ in range(2):
                taken, _address = listener.accept()
                with taken:
                    taken.sendall(b"220 ready\r\n")
                    taken.recv(4096)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert not answer.is_healthy(url)
        with pytest.raises(answer.NotReadyError, match="got no answer: /v1/models"):
            answer.send_question({"url": url, "model": "tiny", "body": {}}, 10.0)
        thread.join(10)


@pytest.fixture
def on_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Release 1 being started; returns its folder."""
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "question.json").write_text(
        json.dumps({"url": "http://127.0.0.1:9", "model": "tiny", "body": {}})
    )
    journal = type("Silent", (), {"read_to_end": lambda self: None, "close": lambda self: None})
    monkeypatch.setattr(release, "RELEASES", tmp_path)
    monkeypatch.setattr(release, "CURRENT", tmp_path / "current")
    monkeypatch.setattr(release, "Follower", lambda invocation: journal())
    for module in (release, answer, unit):
        monkeypatch.setattr(module, "show", lambda: STARTING)
    return folder


def printed_events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line.removeprefix(MARK)) for line in lines if line.startswith(MARK)]


def fails_with(error: Exception) -> Callable[..., None]:
    def fail(*arguments: object) -> None:
        raise error

    return fail


def test_an_error_that_nobody_foresaw_is_a_failed_start(
    on_trial: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = subprocess.CalledProcessError(1, ["systemctl", "show"])
    monkeypatch.setattr(answer, "show", fails_with(error))
    assert release.check_start(1, 5.0) == 1
    (event,) = printed_events(capsys)
    assert (event["event"], event["release"]) == ("failed", 1)
    assert event["reason"].startswith("unexpected CalledProcessError")
    assert "state=failed" in (on_trial / "result").read_text()


def test_a_silent_server_is_still_reported(
    on_trial: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answer, "REPORT_S", 0.0)
    monkeypatch.setattr(answer, "POLL_S", 0.05)
    assert release.check_start(1, 0.5) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f'{MARK} {{"event": "waiting"}}' in lines
    check = StartupCheck(lambda event: None, lambda number: None)
    for line in lines:
        check.line(line)
    assert check.first.reason == "not ready after 0 s (serve.ready_timeout)"
    assert check.first.lines == []


def test_a_look_may_take_as_long_as_ready_timeout_allows() -> None:
    timeouts: list[float] = []

    def run(script: str, *, on_line: Callable[[str], None], timeout: float) -> Result:
        timeouts.append(timeout)
        on_line(f'{MARK} {{"event": "failed", "release": 1, "reason": "it ended"}}')
        return Result("", 1)

    box: Any = SimpleNamespace(session=SimpleNamespace(run=run))
    check_installed(box, 7200, DeployConsole(Console(file=StringIO()), "a100-1"))
    assert timeouts[0] > 7200 + answer.LONGEST_ANSWER_S


class Served(BaseHTTPRequestHandler):
    """Answers the requests of a startup check, as a server does that serves `tiny`."""

    def do_GET(self) -> None:
        self.reply({"data": [{"id": "tiny"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply({"choices": [{}], "usage": {"completion_tokens": 1}})

    def reply(self, value: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def serving_one(on_trial: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Release 1 is up; what listens counts as the unit's own."""
    monkeypatch.setattr(answer, "taken_by", lambda url: "")
    with serving(Served, "127.0.0.1") as url:
        question = {"url": url, "model": "tiny", "body": {}}
        (on_trial / "question.json").write_text(json.dumps(question))
        yield url


def test_a_server_that_is_up_is_queried_before_its_journal_is_read(
    serving_one: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "Follower", fails_with(AssertionError("its journal is long")))
    monkeypatch.setattr(release, "print_start", lambda invocation: print("its beginning"))
    assert release.check_start(1, 5.0) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "its beginning"
    (event,) = [json.loads(line.removeprefix(MARK)) for line in lines[1:]]
    assert (event["event"], event["already"]) == ("answered", True)


def test_what_answers_health_is_not_stopped(
    serving_one: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it fails its question: no other release is there to go back to."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(release, "change", lambda *words: commands.append(words))
    monkeypatch.setattr(release, "find", lambda fingerprint: 1)
    monkeypatch.setattr(answer, "send_question", fails_with(answer.NotReadyError("it is busy")))
    assert release.startup_check(1, 5.0, back=True) == 1
    assert [event["event"] for event in printed_events(capsys)] == ["failed"]
    assert commands == []


def written(number: int, releases: Path, url: str) -> None:
    """Write down a release that runs this very Python."""
    folder = releases / str(number)
    folder.mkdir(exist_ok=True)
    (folder / "vllm.service").write_text(
        f"[Service]\nExecStart={sys.executable} serve {sys.executable}\n"
    )
    (folder / "vllm.env").write_text("")
    (folder / "fingerprint").write_text(f"fingerprint-{number}\n")
    (folder / "question.json").write_text(json.dumps({"url": url, "model": "tiny", "body": {}}))


@pytest.fixture
def changes(
    on_trial: Path, serving_one: str, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, ...]]:
    """Release 1 is current and up; returns the calls of the service manager."""
    commands: list[tuple[str, ...]] = []
    for module in (release, unit):
        monkeypatch.setattr(module, "change", lambda *words: commands.append(words))
    monkeypatch.setattr(release, "ENVIRONMENT", on_trial.parent / "vllm.env")
    monkeypatch.setattr(release, "unit_file", lambda: on_trial.parent / "vllm.service")
    monkeypatch.setattr(release, "print_start", lambda invocation: None)
    written(1, on_trial.parent, serving_one)
    release.point_to(1)
    return commands


def test_a_port_that_another_program_holds_is_detected_before_the_old_server_is_stopped(
    changes: list[tuple[str, ...]],
    on_trial: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(release, "configuration", lambda: "fingerprint-1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        written(2, on_trial.parent, f"http://127.0.0.1:{port}")
        assert release.refuse_taken_port(2, 5.0) == 1
    events = printed_events(capsys)
    assert [(event["event"], event["release"]) for event in events] == [
        ("failed", 2),
        ("back", 1),
        ("answered", 1),
    ]
    assert f"port {port}: address already in use by " in events[0]["reason"]
    assert events[2]["already"]
    assert changes == [("reload",)]
    assert release.unit_file().read_text() == (on_trial / "vllm.service").read_text()
    assert release.refuse_taken_port(2, 5.0) == 0  # the port is free now


def test_a_start_that_is_refused_is_no_answer_of_the_old_server(
    changes: list[tuple[str, ...]],
    on_trial: Path,
    serving_one: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A unit file that the service manager refuses leaves the server that runs as it is."""
    monkeypatch.setattr(release, "configuration", lambda: "fingerprint-1")
    written(2, on_trial.parent, serving_one)
    assert release.startup_check(2, 5.0, back=True) == 1
    failed, back, answered = printed_events(capsys)
    assert (failed["release"], back["release"], answered["release"]) == (2, 1, 1)
    assert failed["reason"].startswith("it was not started")
    assert release.CURRENT.readlink().name == "1"
    assert changes == [("reload",)]


def test_a_check_is_of_what_runs(
    changes: list[tuple[str, ...]],
    on_trial: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A deploy that was broken off has put other files in place, and restarted nothing."""
    written(2, on_trial.parent, "http://127.0.0.1:9")
    # pragma: allowlist nextline secret
    line = "Environment=ONECARD_CONFIGURATION=fingerprint-2\n"
    release.unit_file().write_text(line)
    monkeypatch.setattr(release, "configuration", lambda: "fingerprint-1")
    assert release.main(["check", "--deadline", "5"]) == 0
    (answered,) = printed_events(capsys)
    assert (answered["release"], answered["already"]) == (1, True)


def test_the_rollback_waits_for_its_port_and_reports_who_holds_it(
    changes: list[tuple[str, ...]],
    serving_one: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Here this process does: what serves release 1 is not a unit's."""
    monkeypatch.setattr(release, "PORT_S", 0.1)
    assert not release.roll_back(2, 5.0)
    (back, failed) = printed_events(capsys)
    assert (back["event"], failed["event"], failed["release"]) == ("back", "failed", 1)
    assert failed["reason"].endswith(f"(pid {os.getpid()})")
    holders = iter(["python3 (pid 7)", ""])
    monkeypatch.setattr(release, "taken_by", lambda url: next(holders))
    monkeypatch.setattr(release, "PORT_S", 10.0)
    monkeypatch.setattr(release, "POLL_S", 0.01)
    assert release.roll_back(2, 5.0)
    assert ("restart",) in changes


def test_health_is_noticed_before_the_next_look_at_the_unit(
    serving_one: str, on_trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def is_healthy(url: str) -> bool:
        asked.append(url)
        return len(asked) > 3

    monkeypatch.setattr(answer, "is_healthy", is_healthy)
    monkeypatch.setattr(answer, "POLL_S", 60.0)
    began = time.monotonic()
    answer.wait_for_answer(release.question(1), 90.0, CardWatch())
    assert time.monotonic() - began < 30


def test_another_program_that_answers_in_its_place_is_not_believed(
    serving_one: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answer, "taken_by", taken_by)
    monkeypatch.setattr(answer, "POLL_S", 0.05)
    assert release.check_start(1, 0.3) == 1
    (event,) = printed_events(capsys)
    assert f"(pid {os.getpid()}) answers in its place" in event["reason"]


def test_a_start_that_ends_names_who_holds_its_port(
    on_trial: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after `restart`, whose server was stopped before another program took the port."""
    ended = fails_with(answer.NotReadyError("the server ended while it was starting (exit-code)"))
    monkeypatch.setattr(release, "wait_for_answer", ended)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        written(1, on_trial.parent, f"http://127.0.0.1:{port}")
        assert release.check_start(1, 5.0) == 1
    (event,) = printed_events(capsys)
    assert event["reason"].startswith("the server ended while it was starting (exit-code); port ")
    holder = f"(pid {os.getpid()})"
    assert f"port {port}: address already in use by " in event["reason"]
    assert event["reason"].endswith(holder)


def test_a_release_that_cannot_come_back_is_reported(
    changes: list[tuple[str, ...]], on_trial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (on_trial / "vllm.service").unlink()
    assert not release.roll_back(2, 5.0)
    assert "release 1 cannot be installed" in printed_events(capsys)[1]["reason"]
    assert changes == []


def test_a_port_counts_as_taken_where_its_own_address_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert taken_by(f"http://127.0.0.1:{port}").endswith(f"(pid {os.getpid()})")
        assert taken_by(f"http://127.0.0.2:{port}") == ""
    assert taken_by(f"http://127.0.0.1:{port}") == ""
    with socket.create_server(("0.0.0.0", 0)) as listener:  # not requested
        port = listener.getsockname()[1]
        assert taken_by(f"http://127.0.0.1:{port}").endswith(f"(pid {os.getpid()})")


@pytest.fixture
def endless_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has more to print than anybody can wait for."""
    endless = ["yes", 'INFO: 127.0.0.1 - "GET /health HTTP/1.1" 200 OK']
    monkeypatch.setattr(unit, "_command", lambda *words: endless)


def test_of_a_long_journal_the_beginning_is_read(
    endless_journal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    unit.print_start("1")
    frames = [read_frame(line) for line in capsys.readouterr().out.splitlines()]
    assert 1000 < len(frames) < unit.START_BYTES / 40
    assert set(frames) == {Past(past='INFO: 127.0.0.1 - "GET /health HTTP/1.1" 200 OK')}
