"""What doctor examines: everything in one round trip, and one more to query a running server."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onecard.doctor import examination
from onecard.server import state
from tests.support.engine_run import HOST
from tests.support.local_pipe import LocalBox
from tests.support.local_systemd import install_systemd
from tests.support.web import serving_files


@pytest.mark.parametrize(
    ("active", "answers", "restarts", "words"),
    [
        ("active", True, 0, ("the server answers /health",)),
        ("active", True, 3, ("it crashes", "started it again 3 times", "max_model_len")),
        ("active", False, 0, ("the server does not listen", "max_model_len")),
        ("active", False, 2, ("crashes in a loop", "max_model_len")),
        ("failed", False, 0, ("the server is failed", "max_model_len")),
        ("inactive", False, 0, ("the server is inactive", "max_model_len")),
    ],
)
def test_doctor_queries_a_server_that_runs(
    active: str,
    answers: bool,
    restarts: int,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = LocalBox(tmp_path)
    serve = HOST.settings.serve.model_copy(update={"ready_timeout": 1})
    host = replace(HOST, settings=HOST.settings.model_copy(update={"serve": serve}))
    with serving_files(tmp_path, "127.0.0.1") as url, socket.socket() as bound:
        (tmp_path / "health").touch()
        bound.bind(("127.0.0.1", 0))
        port = url.rsplit(":", 1)[1] if answers else bound.getsockname()[1]
        install_systemd(tmp_path, monkeypatch, active, port=int(port), restarts=restarts)
        monkeypatch.setattr(examination, "STATE", state.STATE)
        connected: Any = SimpleNamespace(session=local.session(), host=host)
        try:
            facts, checks = examination.examine(connected)
        finally:
            local.close()
    well = active == "active" and answers and not restarts
    assert connected.session.round_trips == (1 if active != "active" else 2 if well else 3)
    assert facts.kernel.release
    found = next(check for check in checks if check.name == "server")
    assert found.status == ("ok" if well else "warning")
    assert bool(found.fix) == (not well)
    for word in words:
        assert word in found.message
