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

from onecard.cli.signals import ended_like_ctrl_c
from onecard.console.host_console import HostConsole, progress_console
from onecard.errors import UnreachableError
from onecard.inventory.host import Host
from onecard.provision import provision_hosts
from onecard.provision.host_run import HostRun
from onecard.records import find_runs
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings


def test_ctrl_c_ends_a_host_that_is_still_logging_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One host is being worked on and one logs in when Ctrl-C comes: neither goes on."""
    at_work, closed = threading.Event(), threading.Event()
    worked_on = []

    @contextmanager
    def connected(host: Host, known_hosts: Path, *login: object) -> Iterator[Any]:
        if host.name == "late":
            assert at_work.wait(10)
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGTERM)
            assert closed.wait(10)  # Ctrl-C has been handled; now the login is through
        yield SimpleNamespace(host=host, connection=SimpleNamespace(close=closed.set))

    def work(self: HostRun, host: Host, report: object, *, check: bool) -> None:
        worked_on.append(host.name)
        at_work.set()
        assert closed.wait(10)
        raise UnreachableError("the connection to the box was lost while a script was running")

    monkeypatch.setattr(provision_hosts, "connected", connected)
    monkeypatch.setattr(HostRun, "provision", work)
    hosts = [Host(name, Connection("192.0.2.1"), Settings()) for name in ("early", "late")]
    console = progress_console()
    # A test in the background ignores Ctrl-C itself.
    with pytest.raises(KeyboardInterrupt), ended_like_ctrl_c():
        provision_hosts.provision(
            hosts,
            tmp_path / "inventory" / "known_hosts",
            lambda host: HostConsole(console, host.name, live=False),
            command="provision",
        )
    assert worked_on == ["early"]
    assert {run.host: run.status for run in find_runs()[0]} == {
        "early": "interrupted",
        "late": "interrupted",
    }


@pytest.mark.parametrize("fatal", [False, True])
def test_an_error_ends_its_host_alone_unless_it_is_fatal(tmp_path: Path, fatal: bool) -> None:
    hosts = [Host(name, Connection("127.0.0.1", port=1), Settings()) for name in ("a", "b")]
    reports = provision_hosts.provision(
        hosts,
        tmp_path / "inventory" / "known_hosts",
        lambda host: HostConsole(progress_console(), host.name, live=False),
        command="provision",
        parallel=1,
        any_errors_fatal=fatal,
    )
    assert reports[0].exit_code == 3
    assert ("not begun: another host failed" in reports[1].error) == fatal
    assert reports[1].exit_code == (1 if fatal else 3)
