"""What a provision of a box in order costs: round trips, bytes sent, processes on the box."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import roles
from onecard.engine.converge import converge
from onecard.engine.expected_probes import ExpectedProbes
from onecard.engine.facts_cache import FactsCache
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListener
from onecard.inventory.load import load
from onecard.project import PROJECT
from tests.support.local_pipe import LocalBox

# A namespace in which the next process has as many before it as were started.
ALONE = ("unshare", "--pid", "--fork", "--kill-child")

HOSTS = "all: {children: {sandbox: {hosts: {box1: {ansible_host: 192.0.2.7}}}}}\n"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root on Linux")
def test_one_round_trip_few_bytes_and_few_processes(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "inventory", tmp_path / "inventory")
    (tmp_path / "inventory/hosts.yml").write_text(HOSTS)
    host = load(tmp_path / "inventory").hosts["box1"]
    (tmp_path / "box").mkdir()
    box = LocalBox(tmp_path / "box", before=ALONE)
    cache = FactsCache(tmp_path / "facts.json")
    for _ in range(2):
        report, session = HostReport(host.name), box.session()
        converge(
            session, host, roles.provision, listener=EventListener(), report=report,
            holder="ann", check=True, expected=ExpectedProbes(host, roles.provision, cache),
        )  # fmt: skip
    sent = sum(len(payload) for _, payload in box.pipes[-1].requests)
    started = int(session.run("sh -c 'echo $$'").output)
    box.close()
    # 2026-11-30: 26,200 bytes; 250 processes where nothing is installed.
    assert report.round_trips == 1
    assert sent < 36_000
    assert started < 350
