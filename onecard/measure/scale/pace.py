"""Estimates how long a context takes, from those that were measured before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Final

from onecard.console.live_line import rough
from onecard.inventory.host import Host
from onecard.records import Run, find_runs
from onecard.records.read import seconds_between
from onecard.records.record import settings_of
from onecard.records.write import plain

_REACH: Final = 4  # times the longest known request


@dataclass(frozen=True)
class Took:
    """One context of `ctx` tokens. seconds: in all; long_s: its long request, of them."""

    ctx: int
    seconds: float
    long_s: float


class Pace:
    """What contexts took.

    A context is what all have in common (stop, start, picture questions) and its long request. That
    takes a time in proportion to its tokens, and one in proportion to their square: attention looks
    from each token at all before it.
    """

    def __init__(self, known: Iterable[Took] = ()) -> None:
        self._known = {took.ctx: took for took in known}

    def add(self, took: Took) -> None:
        """Note one more, in place of what was known of its length."""
        self._known[took.ctx] = took

    def left(self, lengths: Sequence[int]) -> str:
        """Return `about 4 min left` for contexts of these lengths; empty while nothing is known.

        `at least` where a request is so much longer than any known one that its square counts.
        """
        if not self._known:
            return ""
        common = mean(took.seconds - took.long_s for took in self._known.values())
        seconds = sum(common + self._estimate(ctx) for ctx in lengths)
        known = all(self.long_request(ctx) is not None for ctx in lengths)
        return f"{'about' if known else 'at least'} {rough(seconds)} left"

    def long_request(self, ctx: int) -> float | None:
        """Return the seconds of the long request; None where none that is near is known."""
        longest = max((took.ctx for took in self._known.values() if took.long_s), default=0)
        return self._estimate(ctx) if ctx <= _REACH * longest else None

    def _estimate(self, ctx: int) -> float:
        """Return the seconds by the two longest known requests, or in proportion to one."""
        if ctx in self._known and self._known[ctx].long_s:
            return self._known[ctx].long_s
        points = sorted((took.ctx, took.long_s) for took in self._known.values() if took.long_s)
        if not points:
            return 0.0
        (near, spent), (far, most) = points[-2:] if len(points) > 1 else points * 2
        squared = max(0.0, (most / far - spent / near) / (far - near)) if far > near else 0.0
        return (most / far - squared * far) * ctx + squared * ctx**2


def pace_of(host: Host) -> Pace:
    """Return the pace of the host's earlier scale runs with the same settings."""
    wanted = plain(settings_of(host))["settings"]
    runs = [run for run in find_runs(host.name)[0] if run.kind == "scale"]
    return Pace(
        took for run in runs if run.begin.get("settings") == wanted for took in _contexts(run)
    )


def _contexts(run: Run) -> Iterator[Took]:
    began: dict[int, str] = {}
    for event in run.events:
        if event["event"] == "context":
            began[event.get("ctx", 0)] = str(event.get("time", ""))
        elif event["event"] == "row" and event.get("configured") == "yes":
            ctx = event.get("ctx", 0)
            seconds = seconds_between(began.get(ctx, ""), str(event.get("time", "")))
            yield Took(ctx, seconds, (event.get("long_request") or {}).get("latency_s") or 0.0)
