"""Which program drives the browser tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chromium import executable


def test_a_program_that_only_advises_to_install_a_snap_is_no_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert executable() == ""
    for name, code in (("chromium-browser", 1), ("google-chrome", 0)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
    assert executable() == str(tmp_path / "google-chrome")
