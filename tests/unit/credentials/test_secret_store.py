"""Secrets stored on this computer: found by host, never readable by others, never shown."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from onecard.commands.secret import secret
from onecard.credentials.secret import Secret
from onecard.credentials.secret_store import (
    EVERY_HOST,
    NAMES,
    StoredSecret,
    find,
    listed,
    remove,
    store,
)
from onecard.errors import UsageError


class MemoryKeyring(KeyringBackend):
    priority = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path))
    for variable in ("HF_TOKEN", "ONECARD_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_nearer_to_the_host_is_stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find("hf-token", "a100-1") is None
    store("hf-token", EVERY_HOST, Secret("for-all"))
    store("hf-token", "a100-1", Secret("for-one"))
    assert find("hf-token", "a100-1") == Secret("for-one")
    assert find("hf-token", "a100-2") == Secret("for-all")
    monkeypatch.setenv("HF_TOKEN", "for-this-run")
    assert find("hf-token", "a100-1") == Secret("for-this-run")


def test_file_is_for_its_owner_alone(folder: Path) -> None:
    store("api-key", "a100-1", Secret("k" * 20))
    path = folder / "secrets.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        find("api-key", "a100-1")


@pytest.mark.parametrize("text", ["{", "[]", '{"a100-1/api-key": 1}'])
def test_broken_file_is_named(folder: Path, text: str) -> None:
    path = folder / "secrets.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError, match=r"secrets\.json"):
        find("api-key", "a100-1")


@pytest.mark.parametrize("value", ["", "two words", "line\n", "schlüssel"])
def test_what_no_header_can_carry_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="api-key") as refused:
        store("api-key", "a100-1", Secret(value))
    assert not value or value not in refused.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api-key", "key\nLD_PRELOAD=/x.so"),
        ("api-key", "a\\b"),
        ("api-key", '"quoted"'),
        ("index-login", "me:pw login other"),
        ("hf-token", "hf_x\r\nHost: x"),
    ],
)
def test_what_a_file_on_the_box_cannot_hold_is_refused_from_everywhere(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=name):
        store(name, "a100-1", Secret(value))
    monkeypatch.setenv(NAMES[name], value)
    with pytest.raises(UsageError, match=NAMES[name]) as refused:
        find(name, "a100-1")
    assert value not in refused.value.message


def test_unknown_name_is_reported() -> None:
    with pytest.raises(UsageError, match="hf-token, api-key"):
        find("password", "a100-1")


def test_keyring_holds_the_value_and_the_file_a_note(folder: Path) -> None:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    try:
        store("api-key", "a100-1", Secret("in-the-keyring"), keyring=True)
        assert "in-the-keyring" not in (folder / "secrets.json").read_text()
        assert find("api-key", "a100-1") == Secret("in-the-keyring")
        assert listed() == (StoredSecret("api-key", "a100-1", "keyring"),)
        assert remove("api-key", "a100-1")
        assert not memory.kept
        assert not remove("api-key", "a100-1")
        keyring.set_keyring(NoKeyring())
        with pytest.raises(UsageError, match="leave out --keyring"):
            store("api-key", "a100-1", Secret("value"), keyring=True)
    finally:
        keyring.set_keyring(before)


def test_list_names_places_and_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    store("hf-token", EVERY_HOST, Secret("hidden"))
    monkeypatch.setenv("ONECARD_API_KEY", "hidden")
    assert listed() == (
        StoredSecret("api-key", EVERY_HOST, "environment"),
        StoredSecret("hf-token", EVERY_HOST, "file"),
    )
    assert "hidden" not in repr(listed())


def test_the_command_prints_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(action: str) -> object:
        assert secret(action, "hf-token", "", keyring=False, as_json=True) == 0
        return json.loads(capsys.readouterr().out)

    monkeypatch.setattr("sys.stdin", StringIO("hf_hidden\n"))
    row = {"name": "hf-token", "host": EVERY_HOST, "place": "file"}
    assert told("set") == row
    assert told("list") == {"secrets": [row]}
    gone = {"name": "hf-token", "host": EVERY_HOST}
    assert told("forget") == {**gone, "forgotten": True}
    assert told("forget") == {**gone, "forgotten": False}
