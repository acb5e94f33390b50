"""Test what `invoke diagnose` prints where no rule names the cause."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from onecard.commands.inspection import diagnose

LOG = "error: cannot reach the moon\nSunError: the sun does not shine " + "at all " * 40 + "\n"


def test_likely_lines_are_listed_one_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.log"
    file.write_text(LOG)
    assert diagnose(str(file), "", as_json=False) == 1
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "no rule knows this error; the log's errors, the likeliest first:"
    assert rows[1].startswith("  1  SunError: the sun does not shine at all")
    assert rows[2] == "  2  error: cannot reach the moon  (line 1)"


def test_a_line_is_cut_at_the_terminals_width(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.log"
    file.write_text(LOG)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "70")
    assert diagnose(str(file), "", as_json=False) == 1
    rows = capsys.readouterr().out.split(os.linesep)
    assert len(rows[1]) == 70 and rows[1].endswith("...  (line 2)")


def test_a_log_without_an_error_and_without_an_answer_shows_what_it_printed_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.log"
    file.write_text("loading\nmaking it\n")
    assert diagnose(str(file), "", as_json=False) == 0
    out = capsys.readouterr().out
    assert "lines that may say why, the likeliest first:\n  1  making it  (line 2)" in out
