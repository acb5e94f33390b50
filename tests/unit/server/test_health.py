"""Whether a server answers: queried by the program that is sent to the box, judged here."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from onecard.box import paths
from onecard.errors import UnhealthyError
from onecard.server import health
from onecard.server.state import ServiceState
from tests.support.engine_run import HOST
from tests.support.local_pipe import LocalBox
from tests.support.web import serving

RUNNING = ServiceState(True, "active", "success", "1", 0, "", {}, (), "running", 40.0)


def at(url: str, state: ServiceState = RUNNING) -> ServiceState:
    """Return the state of a server that listens at a URL."""
    address, port = url.removeprefix("http://").rsplit(":", 1)
    return replace(state, options={"host": address, "port": port})


@contextmanager
def stopped_server() -> Iterator[str]:
    """Start a server and halt its process: its kernel goes on taking connections."""
    script = (
        "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler); "
        "print(s.server_port, flush=True); s.serve_forever()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        os.kill(process.pid, signal.SIGSTOP)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalBox]:
    monkeypatch.setattr(paths, "API_KEY", str(tmp_path / "key.env"))
    (tmp_path / "key.env").write_text("VLLM_API_KEY=a-key-of-this-test\n")
    box = LocalBox(tmp_path)
    yield box
    box.close()


@pytest.mark.parametrize("status", [200, 401, 503, 302])
def test_the_status_and_the_key(box: LocalBox, status: int) -> None:
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    with serving(Handler, "127.0.0.1") as url:
        assert health.request_health(box.session(), at(url)) == str(status)
    assert seen == [("/health", "Bearer a-key-of-this-test")]
    assert "a-key-of-this-test" not in json.dumps(box.pipes[0].requests)


def test_a_halted_server_is_silent(box: LocalBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WAIT_S", 1)
    with stopped_server() as url, pytest.raises(health.NotServingError) as caught:
        health.require_answer(box.session(), at(url), HOST)
    assert isinstance(caught.value, UnhealthyError)
    assert re.fullmatch(
        rf"{HOST.name}: the server hangs: it gives no answer within 1 s at {url}/health on the box, "
        rf"though its unit is active; invoke logs --host {HOST.name}; then "
        rf"invoke restart --host {HOST.name}",
        caught.value.message,
    )


def test_nothing_listens(box: LocalBox) -> None:
    with socket.socket() as bound:  # bound, not listening: nobody else takes the port
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert health.request_health(box.session(), at(url)) == "refused"


def test_what_does_not_speak_http(box: LocalBox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        session, url = box.session(), f"http://127.0.0.1:{listener.getsockname()[1]}"

        def greet() -> None:
            taken, _ = listener.accept()
            with taken:
                taken.sendall(b"220 ready\r\n")
                taken.recv(4096)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        assert health.request_health(session, at(url)).startswith("lost (")
        thread.join(10)


def test_a_box_without_python_reports_it(box: LocalBox, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "timeout"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    session = box.session()
    session.run = lambda script, **_: type(session).run(session, f"PATH={programs}\n{script}")  # type: ignore[method-assign,misc]
    trouble = health.check_health(session, RUNNING, HOST)
    assert trouble is not None
    assert "lacks python3" in trouble.message


LOOP = replace(RUNNING, restarts=3, seconds=2.0)
WAITS = replace(LOOP, active="activating", sub="auto-restart")


@pytest.mark.parametrize(
    ("state", "answer", "words"),
    [
        (RUNNING, "200", None),
        (replace(LOOP, seconds=7200.0), "200", None),
        (
            LOOP,
            "200",
            "it crashes: the service manager has started it again 3 times, the last time 2 s ago",
        ),
        (LOOP, "refused", "crashes in a loop: the service manager has started it again 3 times"),
        (replace(LOOP, restarts=1), "refused", "started it again 1 time and"),
        (replace(LOOP, restarts=1), "silent", "the server hangs"),
        (LOOP, "503", "does not answer as it should (HTTP 503)"),
        (WAITS, "refused", "activating, auto-restart"),
        (replace(WAITS, restarts=0), "refused", "crashes in a loop"),
        (RUNNING, "refused", "is starting, for 40 s now"),
        (replace(RUNNING, active="activating", sub="start-pre"), "refused", "is starting"),
        (replace(RUNNING, seconds=2000.0), "refused", "does not listen after 2000 s"),
        (RUNNING, "503", "does not answer as it should (HTTP 503)"),
        (RUNNING, "lost (BadStatusLine)", "(lost (BadStatusLine))"),
        (replace(RUNNING, active="failed", sub="failed"), "refused", "down: its unit is failed"),
    ],
)
def test_judgement(state: ServiceState, answer: str, words: str | None) -> None:
    trouble = health.judge(state, answer, "box1", 1800)
    if words is None:
        assert trouble is None
        return
    assert trouble is not None
    assert words in trouble.message
    assert trouble.answers == (answer == "200")
    assert trouble.starting == ("is starting" in trouble.message)
    assert "invoke " in trouble.fix
    assert "--host box1" in trouble.fix
    assert trouble.answers or "http://127.0.0.1:8000/health on the box" in trouble.message
