"""The log of a unit: which start wrote what, also across files that were rotated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from onecard.box import paths
from onecard.box.supervision import log_files
from onecard.box.supervision.outcome import last_outcome

NAME = "it.service"
FIRST, SECOND = "a" * 32, "b" * 32


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "LOGS", str(tmp_path))
    return log_files.file_of(NAME)


def start(invocation: str, *lines: str) -> str:
    return "\n".join([log_files.mark(NAME, invocation), *lines, ""])


def test_a_start_is_read_across_rotated_files(log: Path) -> None:
    log.with_name(f"{log.name}.1").write_text("old\n" + start(FIRST, "1", "2"))
    log.write_text("3\n" + start(SECOND, "4"))
    assert log_files.read(NAME, FIRST).decode() == start(FIRST, "1", "2", "3")
    assert log_files.read(NAME, SECOND).decode() == start(SECOND, "4")
    assert log_files.read(NAME, "c" * 32) == b""
    assert log_files.read(NAME).startswith(b"old\n")
    assert log_files.last_lines(log_files.read(NAME), "2").decode() == start(SECOND, "4")
    assert log_files.last_lines(b"1\n2\n", "all") == b"1\n2\n"
    assert log_files.last_lines(b"1\n2\n", "0") == b""


def test_a_program_may_end_within_a_line(log: Path) -> None:
    """As nanobind's report of leaks does at the end of vLLM."""
    log.write_text(start(FIRST, "1")[:-1] + start(SECOND, "2"))
    assert log_files.read(NAME, FIRST).decode() == start(FIRST, "1")[:-1]
    assert log_files.read(NAME, SECOND).decode() == start(SECOND, "2")


def followed(*arguments: str) -> tuple[list[bytes], Callable[[bytes], None]]:
    """Follow in the background; return what came, and how to wait for a text in it."""
    came: list[bytes] = []

    def run() -> None:
        came.extend([])
        for text in log_files.follow(NAME, *arguments):
            came.append(text)

    threading.Thread(target=run, daemon=True).start()

    def wait(text: bytes) -> None:
        until = time.monotonic() + 10
        while text not in b"".join(came):
            assert time.monotonic() < until, came
            time.sleep(0.02)

    return came, wait


def test_a_follower_goes_on_in_the_new_file(log: Path) -> None:
    log.write_text("1\n2\n")
    came, wait = followed("1")
    wait(b"2\n")
    with log.open("a") as stream:
        stream.write("3\n")
    log.rename(log.with_name(f"{log.name}.1"))
    log.write_text("4\n")
    wait(b"4\n")
    assert b"".join(came) == b"2\n3\n4\n"


def test_a_follower_of_one_start_leaves_the_next_out(log: Path) -> None:
    log.write_text(start(FIRST, "1"))
    came, wait = followed("10", FIRST)
    wait(b"1\n")
    with log.open("a") as stream:
        stream.write("2\n" + start(SECOND, "no") + start(FIRST, "3"))
    wait(b"3\n")
    assert b"no" not in b"".join(came)


@pytest.mark.parametrize(
    ("line", "result", "said"),
    [
        ("exited: it.service (exit status 1; not expected)", "exit-code",
         "Main process exited, code=exited, status=1/FAILURE"),
        ("exited: it.service (terminated by SIGKILL; not expected)", "signal",
         "Main process exited, code=killed, status=9/KILL"),
        ("exited: it.service (terminated by SIGSEGV (core dumped); not expected)", "signal",
         "Main process exited, code=killed, status=11/SEGV"),
        ("stopped: it.service (exit status 0)", "success", ""),
        ("exited: another.service (exit status 1; not expected)", "success", ""),
    ],
)  # fmt: skip
def test_how_a_run_ended(
    line: str, result: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of supervisor 4.3.0."""
    log = tmp_path / "supervisord.log"
    monkeypatch.setattr("onecard.box.supervision.outcome.LOG", log)
    assert last_outcome(NAME) == ("success", "")
    log.write_text(f"2026-11-29 16:10:50,920 WARN {line}\n")
    assert last_outcome(NAME) == (result, said)
