"""SIGTERM and a closed terminal end a command as Ctrl-C does."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from onecard.cli.signals import ended_like_ctrl_c

# Prints when it has started, then waits; cleans up at its end, and prints that.
COMMAND = """
import fcntl, signal, sys, termios
from onecard.cli import task

# A test in the background, or under nohup, ignores these.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

@task.task_body
def body():
    try:
        open(sys.argv[1], "w").close()
        while True:
            signal.pause()
    finally:
        print("putting back", file=sys.stderr, flush=True)
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        with open(sys.argv[2], "w") as file:
            file.write("put back")

body()
"""


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    ready = threading.Event()
    for _ in range(400):
        if path.exists():
            return
        assert process.poll() is None
        ready.wait(0.05)
    raise AssertionError(f"{path} never came")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_command_that_is_ended_puts_things_right(tmp_path: Path, number: int) -> None:
    """Also when a second signal comes meanwhile."""
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, begun, ended],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_for(begun, process)
    process.send_signal(number)
    _, reported = process.communicate(timeout=120)
    if number != signal.SIGINT:  # one that has begun with Ctrl-C may be ended by another signal
        assert ended.read_text() == "put back"
        assert b"error: interrupted" in reported
    assert process.returncode != 0


def test_a_closed_terminal_takes_nothing_down(tmp_path: Path) -> None:
    """What is printed after it is gone is an error of the terminal's, not of the work."""
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, begun, ended],
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
    )
    os.close(far)
    wait_for(begun, process)
    os.close(near)  # the kernel sends SIGHUP
    process.wait(timeout=120)
    assert ended.read_text() == "put back"


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_like_ctrl_c():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_came_before_is_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ended_like_ctrl_c():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
