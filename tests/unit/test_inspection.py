"""`invoke doctor`: everything in one round trip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onecard.commands import inspection
from onecard.session import Session
from tests.support.engine_run import HOST
from tests.support.local_pipe import LocalBox

SYSTEMCTL = """#!/bin/sh
case "$*" in
  *is-active*) echo @active@ ;;
  *--value*) echo 0123456789abcdef ;;
  *LoadState*) printf 'LoadState=loaded\\nActiveState=@active@\\nInvocationID=0123456789abcdef\\n' ;;
esac
"""
JOURNALCTL = """#!/bin/sh
case "$*" in *INVOCATION_ID=0123456789abcdef*) ;; *) exit ;; esac
echo "ValueError: User-specified max_model_len (300000) is greater than the derived max_model_len"
"""


@pytest.mark.parametrize(
    ("active", "server"), [("active", "ok"), ("failed", "warning"), ("inactive", "warning")]
)
def test_doctor_is_one_round_trip(
    active: str,
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
        (tmp_path / name).write_text(text.replace("@active@", active))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    local = LocalBox(tmp_path)
    sessions: list[Session] = []

    @contextmanager
    def connected(*_: Any) -> Iterator[Any]:
        sessions.append(local.session())
        yield SimpleNamespace(session=sessions[0])

    monkeypatch.setattr(inspection, "connected", connected)
    monkeypatch.setattr(inspection.cli, "chosen_host", lambda requested: HOST)
    monkeypatch.setattr(inspection.cli, "known_hosts", lambda: tmp_path / "known_hosts")
    try:
        inspection.doctor("", as_json=True)
    finally:
        local.close()
    assert sessions[0].round_trips == 1
    told = json.loads(capsys.readouterr().out)
    assert told["facts"]["kernel"]["release"]
    found = next(check for check in told["checks"] if check["name"] == "server")
    assert found["status"] == server
    assert ("max_model_len" in found["message"]) == (active != "active")
