"""What a box reports of its releases, read through a real shell: names of any bytes, damaged files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onecard.box import paths
from onecard.errors import PreflightError
from onecard.server import releases
from onecard.server.releases import ReleaseInfo, list_releases, target
from tests.support.local_pipe import LocalBox

ODD = "a b\\n \\c \\x20 \"q\" 's' %h $x [bold]ä\x85"


class Kept:
    """A box that has releases in a folder of this computer."""

    def __init__(self, folder: Path, session: Any) -> None:
        self.folder, self._session = folder, session

    def add(self, number: int, model: str = "tiny", **result: str) -> Path:
        made = self.folder / str(number)
        made.mkdir()
        about = {"model": model, "revision": "", "ctx": 4096}
        (made / "about.json").write_text(json.dumps(about, ensure_ascii=False))
        (made / "fingerprint").write_text(f"f{number}\n")
        (made / "holder").write_text(f"`invoke deploy` of DOMAIN\\nick@pc (pid {number}) since x\n")
        (made / "vllm").write_text("0.32.0\n")
        reported = {"state": "ready", "at": "2026-01-01T00:00:00Z", "seconds": "1.5", **result}
        (made / "result").write_text("".join(f"{key}={value}\n" for key, value in reported.items()))
        return made

    def list(self) -> tuple[ReleaseInfo, ...]:
        return list_releases(self._session)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    folder, unit = tmp_path / "releases", tmp_path / "units" / paths.UNIT
    folder.mkdir()
    unit.parent.mkdir()
    unit.write_text("[Service]\nEnvironment=ONECARD_CONFIGURATION=f2\n")
    monkeypatch.setattr(releases, "_LIST", releases._LIST.replace(paths.RELEASES, str(folder)))
    box = LocalBox(tmp_path)
    yield Kept(folder, box.session())
    box.close()


def test_no_release(kept: Kept) -> None:
    assert kept.list() == ()
    kept.folder.rmdir()
    assert kept.list() == ()


def test_names_come_back_as_they_are(kept: Kept) -> None:
    kept.add(1, ODD)
    kept.add(2, "two\nlines", state="failed", reason=ODD.replace("\x85", ""))
    kept.add(10)
    (kept.folder / "current").symlink_to("10")
    first, second, third = kept.list()
    assert (first.model, second.model, third.model) == (ODD, "two\nlines", "tiny")
    assert second.reason == ODD.replace("\x85", "")
    assert first.who == "`invoke deploy` of DOMAIN\\nick@pc (pid 1) since x"
    assert (first.seconds, first.ctx, first.vllm, first.fingerprint) == (1.5, 4096, "0.32.0", "f1")
    assert [each.current for each in (first, second, third)] == [False, False, True]
    assert [each.installed for each in (first, second, third)] == [False, True, False]


DAMAGES: dict[str, tuple[str, str | None, str]] = {
    "no about.json": ("about.json", None, "about.json is missing or not JSON"),
    "half an about.json": ("about.json", '{"model": "x', "about.json is missing or not JSON"),
    "no object": ("about.json", "[]", "about.json lacks model, or its type is not str"),
    "no ctx": ("about.json", '{"model": "x", "revision": ""}', "lacks ctx, or its type is not int"),
    "no fingerprint": ("fingerprint", None, "fingerprint is missing or empty"),
    "garbled result": ("result", "state=ready\nseconds=soon\n", "seconds is not a number: 'soon'"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_release_does_not_hide_the_others(kept: Kept, damage: str) -> None:
    name, content, why = DAMAGES[damage]
    for number in (1, 2, 3):
        kept.add(number)
    file = kept.folder / "2" / name
    file.unlink() if content is None else file.write_text(content)
    (kept.folder / "current").symlink_to("3")
    found = kept.list()
    assert [release.state for release in found] == ["ready", "unreadable", "ready"]
    assert why in found[1].reason
    assert (found[1].number, found[1].model, found[1].ctx) == (2, "", 0)
    assert target(found, None).number == 3  # the current one is not what is installed
    assert target(found, 1).number == 1
    with pytest.raises(PreflightError, match=r"release 2 cannot be read: .*answered: 1, 3"):
        target(found, 2)


def test_what_is_no_release_of_ours(kept: Kept) -> None:
    kept.add(1)
    (kept.folder / "2").mkdir()
    (kept.folder / "3").write_text("a file")
    (kept.folder / "new").mkdir()
    (kept.folder / "current").symlink_to("2")
    found = kept.list()
    assert [release.state for release in found] == ["ready", "unreadable", "unreadable"]
    assert target(found, None).number == 1
    json.dumps(releases.to_json(found))
