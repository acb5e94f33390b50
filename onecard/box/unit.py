"""The server's unit: what systemd says of it, and its journal as it grows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from onecard import layout
from onecard.box.text import fields

QUIET_S = 0.5
LAST_WORDS_S = 3.0  # what a dying server wrote may reach the journal that much later


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
        self._process = subprocess.Popen(
            ["journalctl", "-f", "-n", "all", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={invocation}",
             "+", f"INVOCATION_ID={invocation}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def _forward(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._last = time.monotonic()
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def last_words(self) -> None:
        """Wait until the journal has been quiet for a moment."""
        until = time.monotonic() + LAST_WORDS_S
        subprocess.run(["journalctl", "--sync"], check=False, capture_output=True)
        self._last = time.monotonic()
        while time.monotonic() < until and time.monotonic() - self._last < QUIET_S:
            time.sleep(QUIET_S / 5)

    def close(self) -> None:
        """Stop following."""
        self._process.terminate()
        self._process.wait()
        self._thread.join(5.0)
