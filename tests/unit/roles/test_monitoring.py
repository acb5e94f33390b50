"""Prometheus on a box: switched on, off and left alone by one setting; nothing public."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import roles
from onecard.box import paths
from onecard.facts import Facts
from onecard.facts.teardown import TeardownFacts
from onecard.inventory.host import Host
from onecard.resources.absent import NoPath, Removed
from onecard.resources.base import Resource
from onecard.resources.files.file import File
from onecard.resources.skipped import Skipped
from onecard.resources.system.service import Service
from onecard.settings.connection import Connection
from onecard.settings.settings import PROVISION_ROLES, Settings
from roles import monitoring, teardown
from tests.support.facts_support import box
from tests.support.on_shell import apply, differing

FACTS = box()


def host(on: bool | None, **others: object) -> Host:
    settings = Settings.model_validate({"monitoring": on, "accelerator": "cpu", **others})
    return Host("a100-1", Connection("192.0.2.7"), settings)


def files(resources: tuple[Resource, ...]) -> dict[str, str]:
    return {each.path: each.content for each in resources if isinstance(each, File)}


def test_the_setting_adds_the_role_and_null_leaves_the_box_alone() -> None:
    def names(on: bool | None, facts: Facts = FACTS) -> list[str]:
        return [role.name for role in roles.provision(host(on), facts)]

    assert names(None) == [*PROVISION_ROLES]
    assert names(True) == names(False) == [*PROVISION_ROLES, "monitoring"]


def test_all_listens_on_the_box_alone_as_an_account_of_its_own() -> None:
    found = files(monitoring.desired(host(True), FACTS))
    for unit, port in ((paths.PROMETHEUS_UNIT, 19090), (paths.NODE_EXPORTER_UNIT, 19100)):
        (start,) = re.findall(r"(?m)^ExecStart=(.*)$", found[unit])
        assert f"--web.listen-address=127.0.0.1:{port}" in start
        assert "DynamicUser=yes" in found[unit]
        assert not re.search(r"--web\.enable-(admin-api|lifecycle)", start)
    prometheus = found[paths.PROMETHEUS_UNIT]
    check = "ExecStartPre=/usr/bin/promtool check config /etc/onecard/monitoring/prometheus.yml"
    assert check in prometheus


def test_a_changed_rule_is_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    def fingerprint() -> str:
        found = monitoring.desired(host(True), FACTS)
        (service,) = [
            each
            for each in found
            if isinstance(each, Service) and each.unit == paths.PROMETHEUS_UNIT
        ]
        assert f"ONECARD_CONFIGURATION={service.configuration}" in files(found)[service.unit]
        return service.configuration

    before = fingerprint()
    assert fingerprint() == before
    monkeypatch.setattr(monitoring.files, "alerts", lambda: "groups: []\n")
    assert fingerprint() != before


def test_the_certificate_is_that_of_expose() -> None:
    def command(tls: str) -> str:
        expose = {"domain": "api.example.org", "tls": tls}
        return files(monitoring.desired(host(True, expose=expose), FACTS))[paths.METRICS_UNIT]

    assert "/etc/letsencrypt/live/onecard/fullchain.pem" in command("acme")
    assert "/etc/onecard/expose/certificate.pem" in command("internal")


def test_a_box_without_systemd_is_skipped_with_the_reason() -> None:
    pod = box(machine={"systemd": False})
    assert monitoring.desired(host(True), pod) == (Skipped("Prometheus", "no systemd"),)
    assert monitoring.desired(host(False), pod) == ()


def test_off_is_one_cheap_look_and_teardown_verifies_each_part() -> None:
    (off,) = monitoring.desired(host(False), FACTS)
    assert isinstance(off, Removed)
    assert off.probe().count("\n") == 0
    fixed = off.fix({}, {})
    gone = teardown.desired(host(None), FACTS, TeardownFacts(uid=None, port=8000))
    for part in monitoring.absent():
        assert part in gone
        assert part.fix({}, {}) in fixed


def test_removed_ends_without_its_sign(tmp_path: Path) -> None:
    (tmp_path / "sign").mkdir()
    (tmp_path / "other").touch()
    parts = (NoPath(str(tmp_path / "other")), NoPath(str(tmp_path / "sign")))
    both = Removed("both", str(tmp_path / "sign"), parts)
    assert differing(both) == {"left"}
    apply(both)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_fails_keeps_the_sign(tmp_path: Path) -> None:
    (tmp_path / "sign").mkdir()

    class Stuck(NoPath):
        def fix(self, differences: object, actual: object) -> str:
            return "false"

    both = Removed("both", str(tmp_path / "sign"), (Stuck("/x"), NoPath(str(tmp_path / "sign"))))
    with pytest.raises(AssertionError):
        apply(both)
    assert differing(both) == {"left"}
