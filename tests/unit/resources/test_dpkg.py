"""An interrupted run of dpkg is finished before anything is installed."""

from __future__ import annotations

from dataclasses import replace

import pytest

import roles
from onecard.facts import AptLock
from onecard.inventory.host import Host
from onecard.project import PROJECT
from onecard.resources.apt.dpkg import DpkgFinished
from onecard.resources.apt.packages import AptPackages
from onecard.resources.base import diff
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.settings import Settings
from onecard.ssh.probe_batch import Answer
from tests.support.facts_support import box

HOST = Host("box", ConnectionKeys().connection("box", PROJECT), Settings())
LOCK = AptLock("/var/lib/dpkg/lock-frontend", 1, "apt-get")


@pytest.mark.parametrize(
    ("output", "unfinished"),
    [
        ("", None),
        ("hello\n", "hello"),
        ("hello\nan interrupted run\n", "hello, an interrupted run"),
    ],
)
def test_states(output: str, unfinished: str | None) -> None:
    wanted = DpkgFinished()
    differences = diff(wanted.desired(), wanted.understand(Answer(output)))
    assert [each.actual for each in differences.values()] == ([unfinished] if unfinished else [])


@pytest.mark.parametrize(
    ("values", "comes_first"),
    [
        ({}, False),
        ({"unfinished": ("hello",)}, True),
        ({"journal": True}, True),
        ({"journal": True, "locks": (LOCK,)}, False),  # another run is going on
    ],
)
def test_it_comes_before_the_packages(values: dict[str, object], comes_first: bool) -> None:
    facts = box()
    facts = replace(facts, packages=replace(facts.packages, **values))
    kinds = [type(resource) for plan in roles.provision(HOST, facts) for resource in plan.resources]
    assert (DpkgFinished in kinds) is comes_first
    if comes_first:
        assert kinds.index(DpkgFinished) < kinds.index(AptPackages)
