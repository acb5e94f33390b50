"""The report of a host: facts, lock, unit and journal in one round trip, redacted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from onecard.diagnosis import diagnose
from onecard.server.problem_report import host_report
from tests.support.engine_run import HOST
from tests.support.local_pipe import LocalBox

JOURNAL = "2026-11-23T08:31:09+0000 acme-h100 vllm[1]: FrobnicationError: at 10.20.30.40 for jane"
SYSTEMCTL = """#!/bin/sh
case "$*" in
  cat*) printf '[Service]\\nUser=onecard\\nEnvironment=HF_TOKEN=hf_abcdEFGHijklMNOPqrst\\n' ;;
esac
"""
PROGRAMS = {
    "systemctl": SYSTEMCTL,
    "journalctl": f"#!/bin/sh\necho '{JOURNAL}'\n",
    "hostname": "#!/bin/sh\ncase $1 in -I) echo 10.20.30.40 fd00::7 ;; *) echo acme-h100 ;; esac\n",
}


def test_the_report_of_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    connection = replace(HOST.connection, address="box.acme.internal", user="jane")
    local = LocalBox(tmp_path)
    session = local.session()
    trips: list[str] = []

    def run(script: str) -> object:
        trips.append(script)
        return session.run(script)

    box = SimpleNamespace(
        session=SimpleNamespace(run=run), host=replace(HOST, name="acme", connection=connection)
    )
    try:
        report = host_report(box, diagnose(JOURNAL))  # type: ignore[arg-type]
    finally:
        local.close()
    assert len(trips) == 1
    for private in ("acme", "jane", "10.20.30.40", "fd00::7", "hf_abcd"):
        assert private not in report
    for section in ("## Diagnosis", "## Facts", "## Unit", "## The log's last 400 lines"):
        assert section in report
    assert "FrobnicationError: at <address-" in report
    assert "User=onecard" in report
    assert '"kernel"' in report
