"""The goal of a tune run: limits of latencies under the load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from onecard.errors import UsageError

_LIMIT: Final = re.compile(
    r"(?P<percentile>p50|p95|p99)?\s*(?P<time>ttft|tpot|latency)?\s*<=?\s*"
    r"(?P<number>[0-9]{1,6}(\.[0-9]{1,3})?)\s*(?P<unit>ms|s|m)"
)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}
_NAMES: Final = {"ttft": "TTFT", "tpot": "TPOT", "latency": "latency"}


@dataclass(frozen=True)
class Limit:
    """An upper limit. time: `ttft`, `tpot` or `latency`; percentile: `p50`, `p95` or `p99`."""

    time: str
    percentile: str
    seconds: float

    def __str__(self) -> str:
        limit = f"{self.seconds:g} s" if self.seconds >= 1 else f"{1000 * self.seconds:g} ms"
        return f"{self.name} < {limit}"

    @property
    def name(self) -> str:
        """Return `TTFT p95`."""
        return f"{_NAMES[self.time]} {self.percentile}"

    def measured(self, load: Mapping[str, Any]) -> float | None:
        """Return the seconds in a load's figures; None where no request was answered."""
        found: float | None = load[f"{self.time}_s"][self.percentile]
        return found


@dataclass(frozen=True)
class Goal:
    """Limits that must all hold. Within them, more requests/s are better."""

    limits: tuple[Limit, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.limits))

    def use(self, load: Mapping[str, Any]) -> float:
        """Return the largest share of its limit that a time takes; above 1 misses the goal."""
        return max((each.measured(load) or 0.0) / each.seconds for each in self.limits)


def goal(text: str) -> Goal:
    """Parse `ttft<2s,p95<10s`: a percentile (p95 unless named), a time (latency unless named).

    Raises UsageError naming the part that is no limit.
    """
    found: dict[str, Limit] = {}
    for part in text.split(","):
        written = _LIMIT.fullmatch(part.strip().lower())
        seconds = float(written["number"]) * _SECONDS[written["unit"]] if written else 0.0
        if not written or not (written["percentile"] or written["time"]) or not seconds > 0:
            raise UsageError(
                f'--goal: "{part.strip()}" is not a limit such as ttft<2s, p95<10s or p50 tpot<50ms'
            )
        limit = Limit(written["time"] or "latency", written["percentile"] or "p95", seconds)
        if limit.name in found:
            raise UsageError(f"--goal: {limit.name} has two limits; give one")
        found[limit.name] = limit
    return Goal(tuple(found.values()))
