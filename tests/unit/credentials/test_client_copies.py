"""What this computer stores for a host, and removes."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.credentials import client_copies
from onecard.credentials.secret import Secret


@pytest.fixture(autouse=True)
def _inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path))


@pytest.mark.parametrize("host", ["box1", "root@192.0.2.1:22", "root@[2001:db8::1]:22", "a/../b"])
def test_each_host_has_a_folder_of_its_own(host: str, tmp_path: Path) -> None:
    file = client_copies.save_key(host, Secret("first"))
    file = client_copies.save_key(host, Secret("second"))
    assert file.parent.parent == tmp_path / "kept"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("second\n", 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["api-key"]


def test_forgetting_reports_whether_there_was_something() -> None:
    certificate = client_copies.save_certificate("box1", "PEM")
    client_copies.save_key("other", Secret("key"))
    client_copies.remove_certificate("box1")
    client_copies.remove_certificate("box1")
    assert not certificate.exists()
    assert [client_copies.remove("box1"), client_copies.remove("box1")] == [True, False]
    assert client_copies.folder("other").exists()
