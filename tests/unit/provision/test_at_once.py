"""How many hosts are worked on at once."""

from __future__ import annotations

import threading

import pytest

from onecard.engine.host_report import HostReport
from onecard.inventory.host import Host
from onecard.project import PROJECT
from onecard.provision.provision_hosts import _at_once
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.settings import Settings

HOSTS = [Host(name, ConnectionKeys().connection(name, PROJECT), Settings()) for name in "abcdef"]


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_so_many_hosts_at_once_and_no_more(parallel: int) -> None:
    # Each waits until as many are there: with fewer at once nobody would go on.
    together = threading.Barrier(parallel, timeout=30)
    lock = threading.Lock()
    inside: list[str] = []
    most: list[int] = []

    def work(host: Host) -> HostReport:
        with lock:
            inside.append(host.name)
            most.append(len(inside))
        together.wait()
        with lock:
            inside.remove(host.name)
        return HostReport(host.name)

    reports = _at_once(work, HOSTS, parallel, lambda: None)
    assert [report.host for report in reports] == list("abcdef")
    assert max(most) == parallel
