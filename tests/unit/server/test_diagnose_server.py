"""The diagnosis of a server that is down, from a journal as a real box had it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onecard.diagnosis import Diagnosis
from onecard.server import journal
from onecard.server.journal import diagnose_server
from tests.support.engine_run import HOST
from tests.support.local_pipe import LocalBox

JOURNAL = Path("tests/unit/fixtures/journal").resolve()
SERVED = "286393cd3d644aa0a947f4dea7edbbda"
FAILED = "e8759d982bd14bbca0388be0ca567830"
AGAIN = "f670ea2416bf4bb0b2dc39bcce4feda0"
LAST = "de10a59bbf83428c96ce1fcf313908c7"
SYSTEMCTL = """#!/bin/sh
printf 'LoadState=loaded\\nActiveState=%s\\nResult=%s\\nInvocationID=%s\\nNRestarts=0\\n' @state@
"""
# The journal of the unit begins in the middle of an old start's end.
JOURNALCTL = f"""#!/bin/sh
case "$*" in
  *"-u vllm.service"*) cat unit.txt ;;
  *"-o json"*) cat {JOURNAL}/systemd-restarts.jsonl ;;
  *)
    case "$*" in *=@served@*) cat {JOURNAL}/stopped-after-serving.txt ;; esac
    case "$*" in *=@failed@*) cat {JOURNAL}/failed-start.txt ;; esac
    case "$*" in *=@again@*) cat {JOURNAL}/failed-start.txt ;; esac
    case "$*" in *=@last@*) cat {JOURNAL}/stopped-in-the-middle.txt ;; esac ;;
esac
"""
OLD_END = "vllm.service: Failed with result 'exit-code'.\n"
MOST_STARTS = 30  # more than the diagnosis reads one by one


@pytest.fixture
def diagnosed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str, str], Diagnosis]]:
    """Return the diagnosis of a server whose unit has this state, result and invocation."""
    names = {"served": SERVED, "failed": FAILED, "again": AGAIN, "last": LAST}
    journalctl = JOURNALCTL
    for name, invocation in names.items():
        journalctl = journalctl.replace(f"@{name}@", invocation)
    journalctl = journalctl.replace("unit.txt", str(tmp_path / "unit.txt"))
    one = (JOURNAL / "stopped-after-serving.txt").read_text()
    (tmp_path / "unit.txt").write_text(
        "".join(
            f"2026-11-29T15:57:14+0000 box1 systemd[1]: {line}"
            for line in [OLD_END, *one.splitlines(keepends=True) * MOST_STARTS]
        )
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    local = LocalBox(tmp_path)

    def run(active: str, result: str, invocation: str) -> Diagnosis:
        state = f"{active} {result} '{invocation}'"
        for name, text in (
            ("systemctl", SYSTEMCTL.replace("@state@", state)),
            ("journalctl", journalctl),
        ):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        box: Any = SimpleNamespace(session=local.session(), host=HOST)
        return diagnose_server(box)

    yield run
    local.close()


def test_a_server_that_was_stopped_is_not_explained_by_an_old_end(
    diagnosed: Callable[[str, str, str], Diagnosis],
) -> None:
    found = diagnosed("inactive", "success", SERVED)
    assert (found.failure, found.rule) == (True, None)
    assert "The journal names no error, but the server is down: its unit is inactive" in found.cause


def test_a_start_that_failed_and_was_stopped_is_explained(
    diagnosed: Callable[[str, str, str], Diagnosis],
) -> None:
    """As after a first deploy: the box stops it, at times in the middle of systemd's next start."""
    for invocation in (FAILED, AGAIN, LAST):
        assert diagnosed("inactive", "success", invocation).rule == "unknown-flag"
    assert diagnosed("failed", "exit-code", AGAIN).rule == "unknown-flag"


def test_a_server_that_answers_is_not_ill_because_an_earlier_one_died(
    diagnosed: Callable[[str, str, str], Diagnosis],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copy(JOURNAL / "failed-start.txt", tmp_path / "unit.txt")
    assert diagnosed("failed", "exit-code", AGAIN).failure
    monkeypatch.setattr(journal, "check_health", lambda *_: None)
    assert not diagnosed("active", "success", SERVED).failure


def test_a_server_that_was_not_started_since_boot_is_down(
    diagnosed: Callable[[str, str, str], Diagnosis],
) -> None:
    assert "the server is down" in diagnosed("inactive", "success", "").cause
