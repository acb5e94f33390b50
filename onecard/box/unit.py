"""The server's unit: what systemd says of it, and its journal as it grows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from onecard import layout
from onecard.box.text import fields

QUIET_S = 1.0
LAST_WORDS_S = 15.0  # what a dying server wrote may reach the journal that much later


def systemctl(*words: str) -> None:
    """Run systemctl; what matters is looked at afterwards."""
    subprocess.run(["systemctl", *words], check=False)


def restart() -> None:
    """Start the server anew, whatever state its unit is in."""
    systemctl("reset-failed", layout.UNIT)
    systemctl("restart", layout.UNIT)


def show() -> dict[str, str]:
    """Return what systemd says of the unit."""
    names = "ActiveState,SubState,Result,NRestarts,InvocationID"
    done = subprocess.run(
        ["systemctl", "show", layout.UNIT, "-p", names], capture_output=True, text=True, check=True
    )
    return fields(done.stdout)


class Journal:
    """Prints the journal of one start as it grows."""

    def __init__(self, invocation: str) -> None:
        self._ask = ["journalctl", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={invocation}",
                     "+", f"INVOCATION_ID={invocation}"]  # fmt: skip
        self._process = subprocess.Popen(
            [*self._ask, "-f", "-n", "all"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._last = time.monotonic()
        self._printed = 0
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def _forward(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._last = time.monotonic()
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            self._printed += 1

    def last_words(self) -> None:
        """Wait until all that the journal holds is printed and nothing more has come for a moment.

        On a busy box what the server wrote reaches the journal after systemd's word of its end,
        and the one that follows the journal lags behind it.
        """
        until = time.monotonic() + LAST_WORDS_S
        self._last = time.monotonic()
        while time.monotonic() < until:
            if time.monotonic() - self._last >= QUIET_S and self._printed >= self._held():
                return
            time.sleep(QUIET_S / 5)

    def _held(self) -> int:
        """Return how many lines the journal holds of this start."""
        subprocess.run(["journalctl", "--sync"], check=False, capture_output=True)
        done = subprocess.run(self._ask, check=False, capture_output=True)
        return done.stdout.count(b"\n")

    def close(self) -> None:
        """Stop following."""
        self._process.terminate()
        self._process.wait()
        self._thread.join(5.0)
