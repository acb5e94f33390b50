"""Detect whether the newest smoke test or bench is slower than earlier comparable ones.

It is compared with the one before, which shows a sudden change, and with the median of the last
few, which shows a slow one. With three or more of them, a change must also be larger than the
differences among them: other load on the host changes a whole run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median
from typing import Final

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.evidence.evidence import Evidence
from onecard.report.evidence.noise import AVERAGE, LEAST, TYPICAL, Comparison, Times, Way
from onecard.report.evidence.provenance import day_and_time
from onecard.statistics.t_quantile import student_t

FEW: Final = 5  # runs that the median is taken over
LEAST_RUNS: Final = 3  # runs; with fewer their differences are unknown
_MIDDLE_OF: Final = math.pi / 2  # variance of a median / variance of a mean of as many values


@dataclass(frozen=True)
class Timed:
    """One run's times."""

    run: Run
    times: Times


@dataclass(frozen=True)
class Slower:
    """A slow-down. how: in the median or on average. runs: how many it was compared with."""

    change: Comparison
    how: str
    runs: int


def findings(evidence: Evidence) -> Iterator[str]:
    """Yield a sentence for the picture questions and one for the loads, if they became slower."""
    smoke = evidence.smoke
    if smoke is not None:
        like = [each for each in evidence.smokes if each.likeness == smoke.likeness]
        timed = [Timed(each.run, each.times) for each in like[: like.index(smoke) + 1]]
        yield from _finding("Picture questions take", timed)
    bench = evidence.latest("bench", "load")
    if bench is not None:
        yield from _finding("Requests under load take", _benches(evidence, bench))


def _benches(evidence: Evidence, newest: Run) -> list[Timed]:
    """Return the benches of the same server with loads of the newest one's names, oldest first."""
    names = load_times(newest).keys()
    timed = [
        Timed(run, load_times(run))
        for run in evidence.runs
        if run.kind == "bench" and _served(run) == _served(newest)
    ]
    return [each for each in timed if each.times.keys() & names]


def _served(run: Run) -> tuple[object, ...]:
    server = run.last("server") or {}
    return server.get("model"), server.get("ctx")


def load_times(run: Run) -> dict[str, list[float]]:
    """Return the mean latency of each of a bench's loads, as often as it was repeated."""
    times: dict[str, list[float]] = {}
    for load in run.all("load"):
        latency = (load.get("latency_s") or {}).get("mean")
        if latency:
            name = f"{load.get('name')}, {load.get('generator')}, {load.get('via')}"
            times.setdefault(name, []).append(float(latency))
    return times


def _finding(what: str, timed: Sequence[Timed]) -> Iterator[str]:
    found = slower([each.times for each in timed])
    if found is None or found.change.low is None or found.change.high is None:
        return
    first = day_and_time(timed[-1 - found.runs].run.time)
    then = f"on {first}" if found.runs == 1 else f"in the middle of {found.runs} runs since {first}"
    yield (
        f"{what} {numbers.ratio(found.change.value)} as long as {then} ({found.how}, with the same "
        f"model and context), outside the noise: {numbers.LEVEL} "
        f"{numbers.ratio(found.change.low)} to {numbers.ratio(found.change.high)}."
    )


def slower(runs: Sequence[Times]) -> Slower | None:
    """Return how much slower the last of `runs` is than those before it; None within the noise."""
    if not runs:
        return None
    *earlier, now = runs
    few = earlier[-FEW:]
    references = ([1] if few else []) + ([len(few)] if len(few) >= LEAST_RUNS else [])
    for way in (TYPICAL, AVERAGE):
        steps = [way.value(one, other) for one, other in pairwise(few)]
        moved = [math.log(step) for step in steps if step]
        for count in references:
            before = _middle(few[-count:], way)
            if (way.value(before, now) or 0.0) < 1 + LEAST:
                continue
            change = way.compare(before, now)
            if change and len(moved) >= LEAST_RUNS - 1:
                change = _widened(change, moved, count)
            if change and change.outside:
                return Slower(change, way.name, count)
    return None


def _middle(runs: Sequence[Times], way: Way) -> Times:
    """Return each question's median over the runs."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {
        name: [median(way.middle(run[name]) for run in runs if run.get(name))]
        for name in names
        if any(run.get(name) for run in runs)
    }


def _widened(change: Comparison, moved: Sequence[float], count: int) -> Comparison:
    """Widen an interval by the variance between runs.

    moved: logarithms of the ratios of successive runs. Differences of successive runs, not from the
    mean, so that a trend is not taken for noise (J. von
    Neumann and others, Annals of Mathematical Statistics 12, 1941). count: runs of the reference.
    """
    variance = fmean(step**2 for step in moved) / 2  # of one run
    reference = variance if count == 1 else variance * _MIDDLE_OF / count
    half = student_t(len(moved)) * math.sqrt(variance + reference)
    low, high = change.value * math.exp(-half), change.value * math.exp(half)
    return replace(
        change,
        low=low if change.low is None else min(low, change.low),
        high=high if change.high is None else max(high, change.high),
    )
