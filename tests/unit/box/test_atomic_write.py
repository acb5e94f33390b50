"""A file is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.box.atomic_write import write_whole


def test_it_makes_its_folder_and_has_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, "first ä")
    write_whole(path, "second ä", 0o600)
    assert path.read_text("utf-8") == "second ä"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("onecard.box.atomic_write.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "new"
