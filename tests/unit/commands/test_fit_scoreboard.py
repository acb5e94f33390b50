"""`invoke fit --scoreboard` and `--contribute`."""

from __future__ import annotations

import json

import pytest

from onecard.commands.fit_scoreboard import contribute, show
from onecard.errors import UsageError
from onecard.fit.scoreboard.rows import read_rows


def test_the_scoreboard_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == len(read_rows())
    exact = next(row for row in rows if row["logged_tokens"] == 270_430)
    assert (exact["tokens"], exact["token_error"], exact["band_holds"]) == (270_430, 0.0, True)


def test_the_table_ends_with_how_many_were_right(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert show(as_json=False) == 0
    shown = capsys.readouterr().out
    assert "274,196" in shown
    assert f"{len(read_rows())} starts:" in shown


def test_a_row_needs_a_host() -> None:
    with pytest.raises(UsageError, match="with --host"):
        contribute("", "mine.yml", as_json=False)
