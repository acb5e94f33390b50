"""Several hosts at once, broken off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onecard import provision
from onecard.console import progress_console
from onecard.errors import UnreachableError
from onecard.host import Connection, Host
from onecard.runs import find_runs
from onecard.runs.reporter import NotedConsole
from onecard.settings import Settings
from onecard.signals import ended_like_ctrl_c


def test_ctrl_c_ends_a_host_that_is_still_logging_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One host is being worked on and one logs in when Ctrl-C comes: neither goes on."""
    at_work, closed = threading.Event(), threading.Event()
    worked_on = []

    @contextmanager
    def connected(host: Host, known_hosts: Path) -> Iterator[Any]:
        if host.name == "late":
            assert at_work.wait(10)
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGTERM)
            assert closed.wait(10)  # Ctrl-C has been seen to; now the login is through
        yield SimpleNamespace(host=host, wire=SimpleNamespace(close=closed.set))

    def work(self: provision.Run, host: Host, report: object, *, check: bool) -> None:
        worked_on.append(host.name)
        at_work.set()
        assert closed.wait(10)
        raise UnreachableError("the connection to the box was lost while a script was running")

    monkeypatch.setattr(provision, "connected", connected)
    monkeypatch.setattr(provision.Run, "provision", work)
    hosts = [Host(name, Connection("192.0.2.1"), Settings()) for name in ("early", "late")]
    console = progress_console()
    # A test in the background ignores Ctrl-C itself.
    with pytest.raises(KeyboardInterrupt), ended_like_ctrl_c():
        provision.provision(
            hosts,
            tmp_path / "inventory" / "known_hosts",
            lambda host: NotedConsole(console, host.name, live=False),
            command="provision",
        )
    assert worked_on == ["early"]
    assert {run.host: run.status for run in find_runs()[0]} == {
        "early": "interrupted",
        "late": "interrupted",
    }
