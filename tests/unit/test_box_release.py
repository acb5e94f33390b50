"""A start on trial, as the program on the box follows it: whatever happens, it ends in a verdict."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from onecard.box import answer, cards, release
from onecard.box.cards import CardWatch
from onecard.box.tell import MARK
from onecard.session import Result
from onecard.trial import Trial
from onecard.trial_console import TrialConsole
from tests.support.web import serving

WAITER = Path(release.__file__).parent / "wait-for-memory.sh"
STARTING = {
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "NRestarts": "0",
    "InvocationID": "1",
}


@pytest.fixture
def hanging_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that never answers; returns where it notes that it was asked."""
    asked = tmp_path / "asked"
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho >>{asked}\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return asked


def test_a_card_that_hangs_is_asked_once(
    hanging_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "LONGEST_S", 0.5)
    watch = CardWatch()
    watch.look()
    watch.look()
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
            """Say nothing."""

    return Handler


@pytest.mark.parametrize("reply", [{}, {"data": None}, {"data": [{"name": "x"}]}, {"data": ["x"]}])
def test_another_program_on_the_port_is_no_answer(reply: object) -> None:
    with serving(answering(reply), "127.0.0.1") as url:
        assert answer.healthy(url)
        with pytest.raises(answer.NoAnswerError, match="is no server of vLLM"):
            answer.ask({"url": url, "model": "tiny", "body": {}}, 10.0)


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
        assert not answer.healthy(url)
        with pytest.raises(answer.NoAnswerError, match="got no answer: /v1/models"):
            answer.ask({"url": url, "model": "tiny", "body": {}}, 10.0)
        thread.join(10)


@pytest.fixture
def on_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Release 1 being started; returns its folder."""
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "question.json").write_text(
        json.dumps({"url": "http://127.0.0.1:9", "model": "tiny", "body": {}})
    )
    journal = type("Silent", (), {"last_words": lambda self: None, "close": lambda self: None})
    monkeypatch.setattr(release, "RELEASES", tmp_path)
    monkeypatch.setattr(release, "Journal", lambda invocation: journal())
    monkeypatch.setattr(release, "show", lambda: STARTING)
    monkeypatch.setattr(answer, "show", lambda: STARTING)
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
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
    assert release.look(1, 5.0) == 1
    (event,) = told(capsys)
    assert (event["event"], event["release"]) == ("failed", 1)
    assert event["reason"].startswith("unexpected CalledProcessError")
    assert "state=failed" in (on_trial / "result").read_text()


def test_a_silent_server_is_still_told_of(
    on_trial: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answer, "TELL_S", 0.0)
    monkeypatch.setattr(answer, "POLL_S", 0.05)
    assert release.look(1, 0.5) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f'{MARK} {{"event": "waiting"}}' in lines
    trial = Trial(lambda event: None, lambda number: None)
    for line in lines:
        trial.line(line)
    assert trial.first.reason == "not ready after 0 s (serve.ready_timeout)"
    assert trial.first.lines == []


def test_a_look_may_take_as_long_as_ready_timeout_allows() -> None:
    class Box:
        timeout: float | None = None

        def run(self, script: str, *, on_line: object, timeout: float | None = None) -> Result:
            self.timeout = timeout
            return Result("", 1)

    box = Box()
    TrialConsole(Console(file=StringIO()), "a100-1").look(box, 7200)  # type: ignore[arg-type]
    assert box.timeout is not None
    assert box.timeout > 7200 + answer.LONGEST_ANSWER_S
