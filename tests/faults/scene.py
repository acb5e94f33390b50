"""The box and the controller that the faults happen to, and what must still be true of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from paramiko import SSHException

from onecard.records import read_run
from onecard.sandbox import choose_driver
from tests.box.conftest import SANDBOX_CACHE, Box, Controller

HOST = "box1"
NOTES = "/root/notes-of-a-person"
TRACEBACK = "Traceback (most recent call last)"
# One answer a line. The brackets: no pattern finds the shell that looks for it.
_LOOK = rf"""
echo notes=$(cat {NOTES} 2>/dev/null)
echo servers=$(pgrep -fc '[b]in/vllm serve')
echo halves=$(find /opt/onecard /etc/onecard /etc/systemd/system -xdev -name '*.onecard-new' 2>/dev/null)
echo venvs=$(ls /opt/onecard/venvs 2>/dev/null | wc -l)
echo newest=$(ls /opt/onecard/releases 2>/dev/null | grep -x '[0-9]*' | sort -n | tail -n 1)
echo releases=$(ls -d /opt/onecard/releases/[0-9]*/vllm.service 2>/dev/null | wc -l)
"""
_JOB_ENDS = (
    "tries=3000; while pgrep -f '[s]h /run/onecard/job' >/dev/null && [ $tries != 0 ]; do "
    "tries=$((tries - 1)); sleep 0.1; done"
)


@dataclass(frozen=True)
class Look:
    """What a box holds. halves: files that were half written; newest: the newest release."""

    notes: str
    servers: int
    halves: str
    venvs: int
    newest: int
    releases: int


@dataclass
class Scene:
    """A served box, its controller, and the random numbers of one try.

    took: the longest that each command took to its end, in seconds.
    """

    controller: Controller
    box: Box
    random: Random = field(default_factory=Random)
    took: dict[str, float] = field(default_factory=dict)

    def look(self) -> Look:
        """Read what the box holds."""
        found = dict(line.split("=", 1) for line in self.box(_LOOK).splitlines() if "=" in line)
        return Look(
            found["notes"],
            int(found["servers"] or 0),
            found["halves"],
            int(found["venvs"] or 0),
            int(found["newest"] or 0),
            int(found["releases"] or 0),
        )

    def wait_for_job(self) -> None:
        """Wait until the job that a run left on the box has ended."""
        self.box(_JOB_ENDS)

    def serve(self) -> None:
        """Bring the box to where a fault may happen: provisioned, served, with a person's file."""
        self.box(f"echo precious >{NOTES}")
        if self.serves():
            return
        for command in ("provision", "deploy"):
            done = self.controller.invoke(command, "--host", HOST, timeout=1500)
            assert done.returncode == 0, done.stderr

    def serves(self) -> bool:
        """Return whether the server answers."""
        return self.controller.invoke("status", "--host", HOST).returncode == 0

    def wait_until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Wait for a state of the box. Raises AssertionError, with these words, after 4 minutes."""
        deadline = time.monotonic() + 240
        while not holds():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.5)

    def reached(self, script: str) -> str:
        """Return what a script prints on the box, empty where the box is not reached."""
        try:
            return self.box(script)
        except (AssertionError, OSError, EOFError, SSHException):
            return ""

    def restart(self) -> None:
        """Stop and start the box."""
        inventory = self.controller.inventory
        driver = choose_driver(inventory.parent, inventory, print, cache=SANDBOX_CACHE)
        driver.restart(HOST)

    def broken_records(self) -> list[str]:
        """Return the records that lost more than the line in which their run was killed."""
        found = []
        for path in self.controller.runs.glob(f"{HOST}/*.jsonl"):
            if path.read_bytes().count(b"\n") > 0 and read_run(path).broken > 1:
                found.append(path.name)
        return found


@contextmanager
def on_the_box(scene: Scene, before: str, after: str) -> Iterator[None]:
    """Run shell on the box, and other shell at the end."""
    try:
        if before:
            scene.box(before)
        yield
    finally:
        if after:
            scene.box(after)


def matches(pattern: str, text: str) -> bool:
    """Return whether a message is among a command's output, its lines joined by spaces."""
    return re.search(pattern, " ".join(text.split())) is not None
