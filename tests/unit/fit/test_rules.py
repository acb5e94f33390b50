"""fit speaks of the vLLM that provision installs, and says where it read which one that is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onecard.commands.fit import fit
from onecard.errors import UsageError
from onecard.fit import engine_for
from onecard.fit.on_host import BoxModel, settle
from onecard.fit.rules import host_rules, named_rules
from onecard.inventory import lock_files
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from tests.support.facts_support import CARD, box, working
from tests.support.fit_flags import NO_FLAGS, empty_inventory


@pytest.fixture(autouse=True)
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_inventory(tmp_path, monkeypatch)


def lock(vllm: str) -> Lock:
    return Lock(
        asked=build_request(Settings()),
        vllm=vllm,
        torch="2.11.0",
        torchvision="0.26.0",
        cuda="cu130",
        python="3.12",
        packages={"vllm": vllm, "torch": "2.11.0", "torchvision": "0.26.0"},
    )


def host(vllm: dict[str, str] | None = None, locked: str = "") -> Host:
    settings = Settings.model_validate({"vllm": vllm or {}})
    return Host("h100-1", Connection("192.0.2.7"), settings, lock=lock(locked) if locked else None)


NEWEST = engine_for("").name
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("vllm", "locked", "installed", "shown", "state_blocks"),
    [
        ({}, "0.25.1", "", "vLLM 0.25.1, from inventory/locks/h100-1.yml", 1),
        ({}, "0.26.0", "", "vLLM 0.26.0, from inventory/locks/h100-1.yml", 2),
        ({}, "", "0.25.1", "vLLM 0.25.1, from the environment on h100-1", 1),
        (
            {"channel": "release", "version": "0.25.1"},
            "",
            "",
            "vLLM 0.25.1, from the setting vllm.version",
            1,
        ),
        ({}, "", "", f"{NEWEST}, from the setting vllm.channel: nightly", 2),
        (
            {"channel": "release"},
            "",
            "",
            f"{NEWEST}, from the setting vllm.channel: release",
            2,
        ),
        (
            {"channel": "commit", "version": COMMIT},
            "",
            "",
            f"{NEWEST}, from the setting vllm.channel: commit",
            2,
        ),
    ],
)
def test_the_rules_are_those_of_the_lock_else_of_the_channel(
    vllm: dict[str, str], locked: str, installed: str, shown: str, state_blocks: int
) -> None:
    rules = host_rules(host(vllm, locked), installed)
    assert (str(rules), rules.engine.state_blocks) == (shown, state_blocks)


def test_a_flag_names_a_version() -> None:
    assert str(named_rules("0.33.0")) == "vLLM 0.33.0, from --vllm"
    with pytest.raises(UsageError, match='--vllm: "newest" is not a version'):
        named_rules("newest")


def test_a_host_is_planned_by_its_lock_before_anything_is_installed() -> None:
    facts = box(driver=working("580.95.05"), gpus=(CARD,))
    settled = settle(host(locked="0.25.1"), facts, BoxModel("", None))
    assert settled.planned is not None
    assert settled.planned.engine == engine_for("0.25.1")


def shown_rules(capsys: pytest.CaptureFixture[str], **given: str) -> tuple[str, str]:
    assert fit("", {**NO_FLAGS, **given}, explain=False, as_json=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert fit("", {**NO_FLAGS, **given}, explain=False, as_json=False) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("rules of ")
    assert line.endswith(f", from {printed['rules_from']}")
    return printed["vllm"], printed["rules_from"]


def test_without_a_host_the_only_ones_lock_applies_and_is_named(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown_rules(capsys) == ("", "the setting vllm.channel: nightly")
    (inventory / "hosts.yml").write_text("all: {hosts: {h100-1: {}}}\n")
    lock_files.write(inventory, "h100-1", lock("0.25.1"))
    assert shown_rules(capsys) == ("0.25.1", "inventory/locks/h100-1.yml")
    assert shown_rules(capsys, vllm="0.33.0") == ("0.33.0", "--vllm")


def test_of_several_hosts_the_pinned_one_counts_else_the_settings_of_all(
    inventory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (inventory / "hosts.yml").write_text("all: {hosts: {h100-1: {}, h100-2: {}}}\n")
    (inventory / "group_vars").mkdir()
    release = 'vllm: {channel: release, version: "0.25.1"}\n'
    (inventory / "group_vars" / "all.yml").write_text(release)
    lock_files.write(inventory, "h100-2", lock("0.26.0"))
    assert shown_rules(capsys) == ("0.25.1", "the setting vllm.version")
    monkeypatch.setenv("ONECARD_HOST", "h100-2")
    assert shown_rules(capsys) == ("0.26.0", "inventory/locks/h100-2.yml")
