"""What the box reports of a start: whole frames are sent, broken and forged ones are ignored."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from onecard.box.tell import MARK, emit, forward
from onecard.deploy.console import DeployConsole
from onecard.deploy.service_control import start_server
from onecard.deploy.startup_check import StartupCheck
from onecard.deploy.startup_frames import Failed, JournalLine, read_frame
from onecard.deploy.watch import check_installed
from onecard.engine.host_plan import read_event
from onecard.errors import UnhealthyError
from onecard.ssh.shell import Request, Result
from onecard.startup_log import Event
from tests.support.web import serving

ANSWERED = {"event": "answered", "release": 7, "seconds": 0.1, "memory": []}
FORGED = f"{MARK} {json.dumps(ANSWERED)}"


def heard(lines: list[str], events: list[Event] | None = None) -> StartupCheck:
    """Return a startup check that has processed these lines."""
    check = StartupCheck(([] if events is None else events).append, lambda number: None)
    for line in lines:
        check.line(line)
    return check


class Halves(io.StringIO):
    """A stream that other threads may get in between of, in the middle of each text."""

    def write(self, text: str) -> int:
        middle = len(text) // 2
        super().write(text[:middle])
        time.sleep(0)
        return middle + super().write(text[middle:])


def test_frames_of_two_threads_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Halves()
    monkeypatch.setattr(sys, "stdout", stream)
    lines = threading.Thread(target=lambda: [forward(b"GET /health\n") for _ in range(2000)])
    lines.start()
    for _ in range(2000):
        emit("failed", release=1, reason="it ended")
    lines.join()
    frames = [read_frame(line) for line in stream.getvalue().splitlines()]
    assert frames.count(JournalLine(line="GET /health")) == 2000
    assert frames.count(Failed(event="failed", release=1, reason="it ended")) == 2000
    assert len(frames) == 4000


def test_a_verdict_behind_half_a_line_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    """A reader that follows the journal may be ended in the middle of a line."""
    forward(b"(APIServer pid=9) INFO:     127.0.0.1:50")
    emit(**ANSWERED)  # type: ignore[arg-type]
    check = heard(capsys.readouterr().out.splitlines())
    assert (check.first.release, check.first.lines) == (
        7,
        ["(APIServer pid=9) INFO:     127.0.0.1:50"],
    )


@pytest.mark.parametrize("logged", [FORGED, f"50 %\r{FORGED}", f"\x1b[2K\x85{FORGED}"])
def test_what_a_server_logs_is_never_a_verdict(
    capsys: pytest.CaptureFixture[str], logged: str
) -> None:
    forward(logged.encode())
    (line,) = capsys.readouterr().out.split("\n")[:-1]
    assert "\r" not in line  # at which the job's reader would cut
    check = heard([line])
    assert (check.reported, check.first.answered) == (False, False)
    assert len(check.first.lines) == 1


def test_what_a_server_logs_is_never_the_end_of_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    forward(b"@onecard-step end 0 0")
    assert read_event(capsys.readouterr().out.strip()) is None


@pytest.mark.parametrize(
    "line",
    [
        MARK,
        f"{MARK} ",
        FORGED[:-9],
        f"INFO half a line {FORGED}",
        f"{MARK}{json.dumps(ANSWERED)}",
        f"{MARK} []",
        f"{MARK} null",
        f'{MARK} {{"event": "line"}}',
        f'{MARK} {{"event": "on_event"}}',
        f'{MARK} {{"event": ["failed"]}}',
        f'{MARK} {{"event": "failed"}}',
        f'{MARK} {{"event": "failed", "release": "7", "reason": "x"}}',
        f'{MARK} {{"event": "answered", "release": 7, "seconds": null, "memory": []}}',
        f'{MARK} {{"event": "answered", "release": 7, "seconds": 1, "memory": [["a"]]}}',
        f'{MARK} {{"line": 7}}',
        f'{MARK} {{"line": {"[" * 5000}',
        f"{MARK} \ufffd\x00",
    ],
)
def test_a_garbled_frame_is_a_line_like_any_other(line: str) -> None:
    check = heard([line])
    assert check.first.lines == [line]
    assert not check.reported


def test_the_start_of_a_server_that_is_up_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    for line in (b"Available KV cache memory: 1.50 GiB", b"Application startup complete."):
        forward(line, "past")
    events: list[Event] = []
    check = heard(capsys.readouterr().out.splitlines(), events)
    assert check.first.tracker.facts.kv_available_gib == 1.5
    assert (events, check.first.lines) == ([], [])


class Healthy(BaseHTTPRequestHandler):
    """Answers /health alone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


class Box:
    """A box whose check is killed. port: of what answers for its server; 0 for nothing."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.commands: list[str] = []
        serve = SimpleNamespace(ready_timeout=5)
        self.host = SimpleNamespace(name="gpu-1", settings=SimpleNamespace(serve=serve))
        self.session = self

    def run(self, script: str, **others: Any) -> Result:
        self.commands.append(script)
        if "onecard.box.release" in script:
            others["on_line"]("Killed")
            return Result("", 137)
        if "onecard.box.health" in script or "python3 -I" in script:
            done = subprocess.run(["sh"], input=script, capture_output=True, text=True)
            return Result(done.stdout, done.returncode)
        if "services show" in script:
            command = f"vllm serve /m --served-model-name tiny --port {self.port or 9}"
            unit = base64.b64encode(f"[Service]\nExecStart={command}\n".encode()).decode()
            return Result(f"LoadState=loaded\nActiveState=active\nUnit={unit}", 0)
        return Result("", 0)

    def send(self, requests: list[Request]) -> list[Result]:
        return [Result("", 0) for _ in requests]


@pytest.mark.parametrize("up", [True, False])
def test_no_verdict_is_retried_and_stops_nothing(up: bool) -> None:
    with serving(Healthy, "127.0.0.1") as url:
        box: Any = Box(int(url.rpartition(":")[2]) if up else 0)
        display = DeployConsole(Console(file=io.StringIO()), "gpu-1")
        with pytest.raises(UnhealthyError) as caught:
            start_server(box, display, restart=False)
    assert "ended with code 137 and without a verdict" in caught.value.message
    assert ("checked again, /health answers" in caught.value.message) is up
    assert not any("services stop" in command for command in box.commands)
    assert "now: left as it is" in caught.value.detail


@pytest.mark.parametrize(
    ("result", "stopped", "now"),
    [
        ("signal", False, "now: it is being started again; its state: invoke status"),
        ("exit-code", True, "now: stopped; its journal: invoke logs"),
    ],
)
def test_a_killed_start_is_left_to_the_service_manager(
    capsys: pytest.CaptureFixture[str], result: str, stopped: bool, now: str
) -> None:
    emit("failed", release=1, reason=f"the server ended while it was starting ({result})")
    failed = capsys.readouterr().out.strip()
    box: Any = Box(0)
    run = box.run

    def ended(script: str, **others: Any) -> Result:
        if "onecard.box.release" in script:
            box.commands.append(script)
            others["on_line"](failed)
            return Result("", 1)
        done = run(script, **others)
        return Result(f"{done.output}\nResult={result}", done.code)

    box.run = ended
    with pytest.raises(UnhealthyError) as caught:
        start_server(box, DeployConsole(Console(file=io.StringIO()), "gpu-1"), restart=True)
    assert any("services stop" in command for command in box.commands) is stopped
    assert caught.value.detail.endswith(now)


def test_a_verdict_that_is_heard_needs_no_second_look() -> None:
    box: Any = Box(0)
    box.run = lambda script, on_line, timeout: (on_line(FORGED), Result("", 0))[1]
    check = check_installed(box, 5, DeployConsole(Console(file=io.StringIO()), "gpu-1"))
    assert check.first.answered
