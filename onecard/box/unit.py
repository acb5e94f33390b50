"""The server's unit: its state, and the log of its current start."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

from onecard.box import paths
from onecard.box.services import program
from onecard.box.tell import forward
from onecard.box.text import fields

QUIET_S = 1.0
READ_TO_END_S = 15.0  # the last lines of a dying server may reach the journal that late
# A start writes a few hundred lines; a running server one per request, for weeks.
START_BYTES = 1 << 18
LAST_LINES = 2000


def services(verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Ask the box's service manager (services.sh) about the server, and return its answer."""
    return subprocess.run(
        _command(verb, *words), check=False, capture_output=True, text=True, errors="replace"
    )


def change(verb: str) -> None:
    """Start, stop ... the server and print what that says; the caller verifies the result."""
    done = services(verb)
    for line in (done.stdout + done.stderr).splitlines():
        forward(line.encode())


def restart() -> None:
    """Restart the server, whatever state its unit is in."""
    change("reset")
    change("restart")


def show() -> dict[str, str]:
    """Return the unit's properties."""
    done = services("show")
    done.check_returncode()
    return fields(done.stdout)


def unit_file() -> Path:
    """Return where the unit file lies on this box."""
    return Path(services("file").stdout.strip())


def processes() -> set[int]:
    """Return the server's processes."""
    return {int(line) for line in services("processes").stdout.split()}


def configuration() -> str:
    """Return the fingerprint of the running configuration, from its process; empty if unknown."""
    return fields(services("environment").stdout).get("ONECARD_CONFIGURATION", "")


def print_start(invocation: str) -> None:
    """Print the first lines of a running server's log: those of its start.

    Its reader is terminated after them: a long log takes no longer than a short one.
    """
    with _reading("log", "all", invocation) as process:
        assert process.stdout is not None
        head, _, _ = process.stdout.read(START_BYTES).rpartition(b"\n")
        process.terminate()
    for line in head.splitlines():
        forward(line, "past")


class Follower:
    """Prints the journal of one start: its last lines, then new ones as they come."""

    def __init__(self, invocation: str) -> None:
        self._invocation = invocation
        self._process = _reading("follow", str(LAST_LINES), invocation)
        self._at = time.monotonic()
        self._printed = 0
        self._last = b""
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def _forward(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            forward(line)
            self._at, self._last = time.monotonic(), line
            self._printed += 1

    def read_to_end(self) -> None:
        """Wait until the end of the journal is printed and no more lines come for a moment.

        On a busy box the server's last lines reach the journal after systemd reports its end, and
        whoever follows it lags behind.
        """
        until = time.monotonic() + READ_TO_END_S
        self._at = time.monotonic()
        while time.monotonic() < until:
            if time.monotonic() - self._at >= QUIET_S and self._caught_up():
                return
            time.sleep(QUIET_S / 5)

    def _caught_up(self) -> bool:
        """Return whether the journal's last line was the last one printed."""
        services("sync")
        with _reading("log", str(LAST_LINES), self._invocation) as process:
            assert process.stdout is not None
            end = process.stdout.readlines()
        return not end or (self._printed >= len(end) and self._last == end[-1])

    def close(self) -> None:
        """Stop following."""
        self._process.terminate()
        self._process.wait()
        self._thread.join(5.0)


def _reading(verb: str, *words: str) -> subprocess.Popen[bytes]:
    """Run a verb that prints the log."""
    return subprocess.Popen(
        _command(verb, *words),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _command(verb: str, *words: str) -> list[str]:
    return list(program(verb, paths.UNIT, *words))
