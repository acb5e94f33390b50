"""The verdict of a soak: what died, failed or leaked, and how memory and latency changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from typing import Any, Final

from onecard.measure.soak.senders import ANSWERED, FAILED, NOT_REFUSED, REFUSED, SoakOutcome
from onecard.measure.soak.traffic import ABORTED
from onecard.measure.soak.watch import Sample
from onecard.statistics.percentile import percentile
from onecard.statistics.trend import Trend, trend

_SETTLED: Final = 1 / 3  # of the time, after which memory should no longer grow
_JUDGED_S: Final = 600.0  # a soak this long is long enough to call growing memory a leak
_GROWTH: Final = 0.05  # of the level; less is not a leak
_KV_TOLERANCE: Final = 0.002  # of the cache: less than a block of most, more than rounding


@dataclass(frozen=True)
class SoakResult:
    """All that was seen. for_s: the planned time, seconds: that it took.

    before, after: samples of the idle server; after is None where it did not become idle.
    death: why the server ended, empty where it did not. unanswered: still open at the end.
    """

    for_s: float
    seconds: float
    rate: float
    outcomes: Sequence[SoakOutcome]
    samples: Sequence[Sample]
    before: Sample
    after: Sample | None
    death: str = ""
    unanswered: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Return how many requests had each outcome."""
        counted = Counter(outcome.outcome for outcome in self.outcomes)
        return {name: counted[name] for name in (ANSWERED, FAILED, ABORTED, REFUSED, NOT_REFUSED)}

    @property
    def errors(self) -> list[str]:
        """Return the different errors, the most frequent first, at most ten."""
        counted = Counter(outcome.error for outcome in self.outcomes if outcome.error)
        return [f"{error} ({times} x)" for error, times in counted.most_common(10)]

    @property
    def kv_leak(self) -> float | None:
        """Return the share of the KV cache that stays in use; None where it fell back."""
        if self.after is None or has_fallen_back(self.before, self.after):
            return None
        return (self.after.kv_use or 0.0) - (self.before.kv_use or 0.0)

    @property
    def process_growth(self) -> Trend | None:
        """Return by how much the processes' memory grew once it should have settled, GiB."""
        return trend(self._process)

    @property
    def card_growth(self) -> Trend | None:
        """Return the same of the cards together, GiB; None without one."""
        return trend(self._cards)

    @property
    def latency_drift(self) -> Trend | None:
        """Return the ratio of the latencies at the end and at the beginning, with its interval."""
        found = trend(
            [(each.at_s, log(each.latency_s)) for each in self.outcomes if each.latency_s]
        )
        return Trend(exp(found.change), exp(found.low), exp(found.high)) if found else None

    @property
    def faults(self) -> list[str]:
        """Return what makes the soak a failure, a clause each; empty where nothing does."""
        faults = [self.death] if self.death else []
        if failed := self.counts[FAILED]:
            faults.append(f"{failed:,} request{'s'[: failed != 1]} failed")
        if self.unanswered and not self.death:
            faults.append(f"{self.unanswered:,} were never answered")
        if self.kv_leak is not None:
            faults.append(f"{100 * self.kv_leak:.1f} % of the KV cache stay in use when idle")
        if self.after is None and not self.death:
            faults.append("the server did not become idle after the last answer")
        for points, whose in ((self._process, "of its processes"), (self._cards, "on the card")):
            if self.seconds >= _JUDGED_S and _leaks(points):
                faults.append(f"the memory {whose} grows")
        return faults

    @property
    def line(self) -> str:
        """Return the result in a sentence."""
        counts = self.counts
        what = (
            f"{counts[ANSWERED]:,} requests answered, {counts[ABORTED]:,} aborted, "
            f"{counts[REFUSED]:,} wrong ones refused in {_minutes(self.seconds)}"
        )
        if self.seconds < self.for_s and not self.death:
            what += f" of {_minutes(self.for_s)}"
        return f"{what}: " + ("; ".join(self.faults) or "nothing died, failed or leaked")

    @property
    def _settled(self) -> list[Sample]:
        return [each for each in self.samples if each.at_s >= _SETTLED * self.seconds]

    @property
    def _process(self) -> list[tuple[float, float]]:
        return [(each.at_s, each.process_gib) for each in self._settled if each.process_gib]

    @property
    def _cards(self) -> list[tuple[float, float]]:
        return [(each.at_s, sum(each.card_mib) / 1024) for each in self._settled if each.card_mib]

    def values(self) -> dict[str, Any]:
        """Return the values of the `soak` event."""
        latencies = _known(each.latency_s for each in self.outcomes)
        first = _known(each.ttft_s for each in self.outcomes)
        return {
            "ok": not self.faults,
            "line": self.line,
            "faults": self.faults,
            "for_s": self.for_s,
            "seconds": self.seconds,
            "rate": self.rate,
            "counts": self.counts,
            "unanswered": self.unanswered,
            "errors": self.errors,
            "death": self.death,
            "ttft_s": {f"p{each}": percentile(first, each) for each in (50, 95, 99)},
            "latency_s": {f"p{each}": percentile(latencies, each) for each in (50, 95, 99)},
            "latency_drift": _values(self.latency_drift),
            "process_growth_gib": _values(self.process_growth),
            "card_growth_gib": _values(self.card_growth),
            "kv_use_before": self.before.kv_use,
            "kv_use_after": self.after.kv_use if self.after else None,
            "kv_use_peak": max(_known(each.kv_use for each in self.samples), default=None),
            "preemptions": self._preemptions,
        }

    @property
    def _preemptions(self) -> float | None:
        counted = _known(each.preemptions for each in (self.before, *self.samples))
        return counted[-1] - counted[0] if counted else None


def has_fallen_back(before: Sample, after: Sample) -> bool:
    """Return whether the KV cache's use is back at its level before; True where none is known."""
    if before.kv_use is None or after.kv_use is None:
        return True
    return after.kv_use - before.kv_use <= _KV_TOLERANCE


def _leaks(points: Sequence[tuple[float, float]]) -> bool:
    """Return whether memory grew beyond chance, and by more than a small share of its level."""
    growth = trend(points)
    return growth is not None and growth.is_growth and growth.change > _GROWTH * points[-1][1]


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _values(found: Trend | None) -> dict[str, float] | None:
    return asdict(found) if found else None


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
