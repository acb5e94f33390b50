"""A server's status and the diagnosis of its journal, for servers that answer and that do not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onecard.errors import UnhealthyError
from onecard.server.journal import diagnose_server, follow_journal
from onecard.server.status import server_status
from tests.support.engine_run import HOST
from tests.support.local_pipe import LocalBox
from tests.support.local_systemd import TOO_LONG, install_systemd
from tests.support.web import serving_files

SERVE = HOST.settings.serve.model_copy(update={"ready_timeout": 1})
IMPATIENT = replace(HOST, settings=HOST.settings.model_copy(update={"serve": SERVE}))


@contextmanager
def box_of(folder: Path) -> Iterator[Any]:
    local = LocalBox(folder)
    session = local.session()
    try:
        yield SimpleNamespace(
            session=session, host=IMPATIENT, another_session=lambda idle_timeout: session
        )
    finally:
        local.close()


@contextmanager
def free_port() -> Iterator[int]:
    with socket.socket() as bound:  # bound, not listening: every connection is refused
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_server_that_is_down_is_explained_by_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with free_port() as port:
        install_systemd(tmp_path, monkeypatch, "failed", port=port)
        with box_of(tmp_path) as box:
            found, status = diagnose_server(box), server_status(box)
    assert found.failure
    assert found.line == TOO_LONG
    assert (status.answers, status.version, status.state.active) == (False, "", "failed")
    assert status.trouble == found.cause
    assert "invoke start" in status.fix


def test_a_server_that_does_not_answer_is_no_server_without_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with free_port() as port:
        install_systemd(tmp_path, monkeypatch, "active", port=port, journal="INFO: loading")
        with box_of(tmp_path) as box:
            found, status = diagnose_server(box), server_status(box)
    assert found.failure
    assert found.cause.startswith("The journal names no error, but the server does not listen")
    assert "does not listen" in status.trouble
    assert not status.diagnosis.failure


def test_a_server_that_answers_has_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "health").touch()
    with serving_files(tmp_path, "127.0.0.1") as url:
        port = int(url.rpartition(":")[2])
        install_systemd(tmp_path, monkeypatch, "active", port=port, journal="INFO: ready")
        with box_of(tmp_path) as box:
            found = diagnose_server(box)
    assert not found.failure
    assert "the server came up" in found.cause  # seen by the health check, not in the journal


def test_where_nothing_is_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_systemd(tmp_path, monkeypatch, "inactive", port=1, loaded=False, journal="")
    with box_of(tmp_path) as box:
        with pytest.raises(UnhealthyError, match="invoke deploy"):
            diagnose_server(box)
        status = server_status(box)
    assert "no server is deployed here yet" in status.trouble
    assert not status.diagnosis.failure


def test_the_journal_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    install_systemd(tmp_path, monkeypatch, "active", port=1)
    with box_of(tmp_path) as box:
        assert follow_journal(box, lines.append, lines=3, follow=False) == 0
    assert lines == [TOO_LONG]
