"""What this computer keeps for a host, and forgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard import kept
from onecard.secret import Secret


@pytest.fixture(autouse=True)
def _inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path))


@pytest.mark.parametrize("host", ["box1", "root@192.0.2.1:22", "root@[2001:db8::1]:22", "a/../b"])
def test_each_host_has_a_folder_of_its_own(host: str, tmp_path: Path) -> None:
    file = kept.keep_key(host, Secret("first"))
    file = kept.keep_key(host, Secret("second"))
    assert file.parent.parent == tmp_path / "kept"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("second\n", 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["api-key"]


def test_forgetting_says_whether_there_was_something() -> None:
    certificate = kept.keep_certificate("box1", "PEM")
    kept.keep_key("other", Secret("key"))
    kept.forget_certificate("box1")
    kept.forget_certificate("box1")
    assert not certificate.exists()
    assert [kept.forget("box1"), kept.forget("box1")] == [True, False]
    assert kept.folder("other").exists()
