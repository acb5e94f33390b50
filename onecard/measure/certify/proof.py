"""What requests that were sent at once have shown: held together, or not, or nothing.

A request is in from its first token on, and held until its end as long as nothing is preempted. So
all are held at once where the last one is in before the first one ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from onecard.measure.bench.figures import tpot

HELD: Final = "held"
FAILED: Final = "failed"
PREEMPTED: Final = "preempted"
WAITED: Final = "waited"
UNPROVED: Final = "not proved"


@dataclass(frozen=True)
class Seen:
    """What the server reported of itself. tokens: in the KV cache when all requests were in.

    kv_use: share in use at that moment, None where no sample fell into it. kv_use_peak: the most
    of any sample. prefix_hits: tokens that were in the cache already.
    """

    running_peak: float | None
    preemptions: float | None
    prefix_hits: float | None
    kv_use_peak: float | None
    kv_use: float | None
    tokens: float | None


def seen(samples: Sequence[Mapping[str, float]], prompt_tokens: int, requests: int) -> Seen:
    """Return what samples of /metrics (measure/metrics.py) show of requests sent at once.

    prompt_tokens: of all requests. vLLM counts a prompt when it has been processed whole, so while
    all requests run and all prompts are counted, the two counters are what the cache holds.
    """
    first: Mapping[str, float] = samples[0] if samples else {}

    def growth(sample: Mapping[str, float], name: str) -> float | None:
        return sample[name] - first[name] if name in sample and name in first else None

    def peak(name: str) -> float | None:
        return max((each[name] for each in samples if name in each), default=None)

    full = [
        each
        for each in samples
        if each.get("running", 0.0) >= requests
        and (growth(each, "prompt_tokens") or 0.0) >= prompt_tokens > 0
    ]
    fullest = max(full, key=lambda each: each.get("kv_use", 0.0), default={})
    tokens = None
    if fullest:
        tokens = prompt_tokens + (growth(fullest, "generation_tokens") or 0.0)
    last = samples[-1] if samples else {}
    return Seen(
        running_peak=peak("running"),
        preemptions=growth(last, "preemptions"),
        prefix_hits=growth(last, "prefix_hits"),
        kv_use_peak=peak("kv_use"),
        kv_use=fullest.get("kv_use"),
        tokens=tokens,
    )


@dataclass(frozen=True)
class Proof:
    """Requests that were sent at once. times: of each, as the generator gives them.

    needed_s: how long the first must decode for all the others to come in, s.
    """

    name: str
    times: tuple[Mapping[str, Any], ...]
    seen: Seen
    needed_s: float

    @property
    def requests(self) -> int:
        """Return how many requests were sent."""
        return len(self.times)

    @property
    def answered(self) -> tuple[Mapping[str, Any], ...]:
        """Return the times of those that were answered to their end, in the order they came in."""
        done = (each for each in self.times if not each["error"])
        return tuple(sorted(done, key=_came_in))

    @property
    def errors(self) -> tuple[str, ...]:
        """Return the different errors of the others."""
        return tuple(sorted({each["error"] for each in self.times if each["error"]}))

    @property
    def last_in_s(self) -> float | None:
        """Return when the last one had its first token, s after the first request was sent."""
        return _came_in(self.answered[-1]) - self._began if self.answered else None

    @property
    def first_end_s(self) -> float | None:
        """Return when the first answer ended, s after the first request was sent."""
        return min(map(_ended, self.answered)) - self._began if self.answered else None

    @property
    def at_once(self) -> int | None:
        """Return the most requests that were held at one moment; None after a preemption.

        A preempted one is not in the cache, though its answer goes on later.
        """
        if self.seen.preemptions:
            return None
        came = [_came_in(each) for each in self.answered]
        return max(
            (
                sum(_came_in(each) <= moment < _ended(each) for each in self.answered)
                for moment in came
            ),
            default=0,
        )

    @property
    def verdict(self) -> str:
        """Return HELD, FAILED, PREEMPTED, WAITED (the last came in after an end), or UNPROVED.

        UNPROVED: the first one ended before the others could have come in, or vLLM never counted
        all as running.
        """
        if self.errors or self.last_in_s is None or self.first_end_s is None:
            return FAILED
        if self.seen.preemptions:
            return PREEMPTED
        if self.last_in_s < self.first_end_s:
            return HELD if (self.seen.running_peak or 0) >= self.requests else UNPROVED
        first = min(self.answered, key=_ended)
        decoded_s = _ended(first) - _came_in(first)
        return WAITED if decoded_s >= self.needed_s else UNPROVED

    def values(self) -> dict[str, Any]:
        """Return the values of a `held` event."""
        return {
            "name": self.name,
            "requests": self.requests,
            "answered": len(self.answered),
            "verdict": self.verdict,
            "at_once": self.at_once,
            "last_in_s": self.last_in_s,
            "first_end_s": self.first_end_s,
            "needed_s": self.needed_s,
            **vars(self.seen),
            "errors": list(self.errors),
            "times": [{**_values(each), "tpot_s": tpot(each)} for each in self.answered],
        }

    @property
    def _began(self) -> float:
        return min(float(each["began_s"]) for each in self.times)


def _came_in(times: Mapping[str, Any]) -> float:
    return float(times["began_s"] + times["ttft_s"])


def _ended(times: Mapping[str, Any]) -> float:
    return float(times["began_s"] + times["latency_s"])


def _values(times: Mapping[str, Any]) -> dict[str, Any]:
    names = ("ttft_s", "latency_s", "prompt_tokens", "completion_tokens")
    return {name: times[name] for name in names}
