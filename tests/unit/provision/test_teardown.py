"""Teardown on this computer: the secrets that it searches for, and what it forgets at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.credentials import client_copies, secret_store
from onecard.credentials.secret import Secret
from onecard.inventory.selection import read_pin, write_pin
from onecard.provision.teardown import forget, known_secrets
from tests.support.engine_run import HOST


@pytest.fixture(autouse=True)
def _inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path))
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").touch()
    monkeypatch.chdir(tmp_path)
    for variable in secret_store.NAMES.values():
        monkeypatch.delenv(variable, raising=False)


def test_what_is_searched_for_is_every_secret_that_is_long_enough() -> None:
    client_copies.save_key(HOST.name, Secret("k" * 32))
    client_copies.save_key("other", Secret("o" * 32))
    secret_store.store("hf-token", secret_store.EVERY_HOST, Secret("hf_" + "t" * 20))
    secret_store.store("api-key", HOST.name, Secret("short"))
    found = [each.reveal() for each in known_secrets(HOST.name)]
    assert found == ["k" * 32, "hf_" + "t" * 20]


def test_what_is_forgotten_here_is_the_hosts_own(tmp_path: Path) -> None:
    client_copies.save_key(HOST.name, Secret("k" * 32))
    other = client_copies.save_key("other", Secret("o" * 32))
    write_pin(tmp_path, HOST.name)
    assert len(forget(HOST)) == 2
    assert read_pin(tmp_path) is None
    write_pin(tmp_path, "other")
    assert forget(HOST) == ()
    assert read_pin(tmp_path) == "other"
    assert other.exists()
