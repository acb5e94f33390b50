"""Where the time of a run went: its stages from the start of the process on, in milliseconds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LOADED = time.monotonic()


@dataclass(frozen=True)
class Stage:
    """One stage. began: seconds since the start of the process.

    on_box: name of a fact or a resource -> the seconds that reading it took on the box, where two
        are read at a time.
    """

    name: str
    began: float
    seconds: float
    on_box: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        shown = {"stage": self.name, "began_ms": _ms(self.began), "ms": _ms(self.seconds)}
        if self.on_box:
            shown["box_ms"] = {name: _ms(seconds) for name, seconds in self.on_box.items()}
        return shown


class Timings:
    """The stages of one host's run, in order."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, float]]:
        """Time the body, also one that fails; yields the mapping for `on_box`, to fill."""
        on_box: dict[str, float] = {}
        began = process_seconds()
        try:
            yield on_box
        finally:
            self.stages.append(Stage(name, began, process_seconds() - began, on_box))

    def since_start(self, name: str) -> None:
        """Note the time from the start of the process until now as a stage."""
        self.stages.append(Stage(name, 0.0, process_seconds()))

    def to_json(self) -> list[dict[str, Any]]:
        """Return the stages as JSON objects."""
        return [stage.to_json() for stage in self.stages]


def process_seconds() -> float:
    """Return the seconds since this process began, to 10 ms (Linux; elsewhere since the import)."""
    return time.monotonic() - _process_start()


def _process_start() -> float:
    """Return the start of the process on the monotonic clock."""
    global _start  # noqa: PLW0603  # read once
    if _start is None:
        _start = _LOADED
        try:
            # proc(5): field 22 is the start in clock ticks since the boot; a name may hold spaces.
            fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
            boot = time.clock_gettime(time.CLOCK_BOOTTIME)
            since = boot - int(fields[19]) / os.sysconf("SC_CLK_TCK")
            _start = time.monotonic() - since
        except (OSError, AttributeError, ValueError, IndexError):
            pass
    return _start


_start: float | None = None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
