"""What a provision of a box in order costs: round trips, bytes sent, processes on the box."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import roles
from onecard.credentials.secret import Secret
from onecard.engine.converge import converge
from onecard.engine.facts_cache import FactsCache
from onecard.engine.first_requests import first_requests
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListener
from onecard.engine.probing import probes_of_roles
from onecard.facts import PROBES, Facts
from onecard.inventory.load import load
from onecard.project import PROJECT
from onecard.resources.files.secret_file import SecretFile
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
    for _ in range(2):
        cache = FactsCache(tmp_path / "facts.json")
        first = first_requests(None, cache.expected) if cache.expected else ()
        report, session = HostReport(host.name), box.session(first=first)
        converge(
            session, host, roles.provision, listener=EventListener(), report=report,
            holder="ann", check=True, cache=cache,
        )  # fmt: skip
    assert box.pipes[-1].requests == []
    sent = len(box.pipes[-1].command)
    started = int(session.run("sh -c 'echo $$'").output)
    box.close()
    # 2026-11-30: 20,900 bytes, packed; 250 processes where nothing is installed.
    assert report.round_trips == 1
    assert sent < 26_000
    assert started < 350


def test_no_probe_holds_a_secret(tmp_path: Path) -> None:
    """They go with the login command, which a box shows to all its accounts."""
    shutil.copytree(PROJECT / "inventory", tmp_path / "inventory")
    (tmp_path / "inventory/hosts.yml").write_text(HOSTS)
    host = load(tmp_path / "inventory").hosts["box1"]
    host = replace(host, index_login=Secret("ann:planted-login"))
    resources = SecretFile("/etc/x.env", "KEY", Secret("planted-value"))
    texts = [each.text for each in probes_of_roles(roles.provision(host, Facts()))]
    assert "planted" not in "".join([*texts, resources.probe(), *PROBES.values()])
