"""A served box while it is used: its load live, how long it is idle, what its caches reuse."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from typing import Any

import pytest

from tests.box.conftest import INVOKE, PROJECT, Box, Controller

pytestmark = pytest.mark.box


def test_caches_are_measured(controller: Controller, deployed: Any) -> None:
    found = controller.json("cache", "--host", "sandbox", "--repeats", "2", "--at-once", "2")
    assert (found["is_on"], len(found["turns"]), found["at_once"]["requests"]) == (True, 3, 2)
    assert [turn["hits"] > 2000 for turn in found["turns"]] == [False, True, True]
    assert found["texts"][-1]["hits"] > 2000
    assert found["texts"][0]["tokens"] < found["texts"][-1]["tokens"]
    assert found["picture"]["hits"] == 1
    assert 0 < found["tokens"]["share"] < 0.2
    assert controller.last_run("cache").last("cache")["finding"] == found["finding"]


def test_idleness_is_known_from_one_call_to_the_next(
    controller: Controller, box: Box, deployed: Any
) -> None:
    box("rm -f /opt/onecard/idle.json")
    first = controller.json("idle", "--host", "sandbox", "--after", "1h", code=1)
    assert (first["status"], first["is_first"], first["is_due"]) == ("idle", True, False)
    # The next call finds the note on the box, whichever computer it comes from.
    words = ("--after", "1s", "--wait", "--then", "sh -c 'echo $ONECARD_HOST >&2'")
    done = controller.invoke("idle", "--host", "sandbox", *words)
    assert done.returncode == 0, done.stderr
    assert "box1" in done.stderr.splitlines()
    # Whatever is done begins anew, and what is in use is not stopped.
    assert controller.invoke("smoke", "--host", "sandbox", "--repeats", "1").returncode == 0
    used = controller.json("idle", "--host", "sandbox", "--after", "1s", "--then", "stop", code=1)
    assert (used["idle_s"], used["is_first"], used["done"]) == (0, False, "")
    assert controller.json("status", "--host", "sandbox")["status"] == "serving"


def test_money_is_shown_where_a_price_is_set(controller: Controller, deployed: Any) -> None:
    priced = ("-e", "price_per_hour=2", "-e", "currency=EUR")
    found = controller.json("status", "--host", "sandbox", *priced)["cost"]
    assert found["spent"]["amount"] == pytest.approx(2 * found["spent"]["hours"], abs=1e-4)
    assert found["per_million"] > 0
    assert "cost" not in controller.json("status", "--host", "sandbox")


def watched(controller: Controller, columns: int, lines: int, end: str) -> tuple[int, str]:
    """Run `status --watch` in a terminal; end it by `q` or `Ctrl-C` once a sample is shown.

    Return its exit code and what it printed.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**controller.environment, "TERM": "xterm-256color"}
    for name in ("LINES", "COLUMNS"):  # a worker of pytest-xdist has them, and Rich believes them
        environment.pop(name, None)
    running = subprocess.Popen(
        [INVOKE, "status", "--host", "sandbox", "--watch"],
        cwd=PROJECT,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown, ended, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # its end of the terminal is closed
            break
        if not ended and b"generated tokens" in shown:
            ended = True
            if end == "q":
                os.write(ours, b"q")
            else:
                running.send_signal(signal.SIGINT)
    os.close(ours)
    return running.wait(30), shown.decode(errors="replace")


@pytest.mark.parametrize("end", ["q", "Ctrl-C"])
def test_the_load_is_shown_until_it_is_left(
    controller: Controller, deployed: Any, end: str
) -> None:
    code, shown = watched(controller, 80, 24, end)
    assert code == 0
    assert "KV cache" in shown and "tiny-vqa" in shown
    assert shown.endswith("\x1b[?25h\x1b[?1049l")  # the cursor is back, and the screen before


def test_without_room_or_a_terminal_one_line_says_so(controller: Controller, deployed: Any) -> None:
    code, shown = watched(controller, 200, 10, "q")
    assert code == 2, shown
    assert "--watch needs a terminal of 60 x 20, this one has 200 x 10" in shown
    done = controller.invoke("status", "--host", "sandbox", "--watch")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    sample = controller.json("status", "--host", "sandbox", "--watch")
    assert (sample["running"], sample["cards"]) == (0, [])
    assert sample["interval_s"] >= 1
