"""The figures of a load, from the times of its requests, defined as vllm bench serve does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onecard.statistics.percentile import percentile

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Bounds:
    """The latency limits of goodput, in milliseconds; None: no limit.

    ttft_ms: time to the first token. tpot_ms: time per output token after the first. e2el_ms: time
    to the end of the answer.
    """

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2el_ms: float | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Return the limits as arguments of `vllm bench serve --goodput`."""
        named = (("ttft", self.ttft_ms), ("tpot", self.tpot_ms), ("e2el", self.e2el_ms))
        return tuple(f"{name}:{value:g}" for name, value in named if value is not None)

    def are_met_by(self, request: Mapping[str, Any]) -> bool:
        """Return whether a request stayed within all limits."""
        spent = (
            (self.ttft_ms, request["ttft_s"]),
            (self.tpot_ms, tpot(request) or 0.0),
            (self.e2el_ms, request["latency_s"]),
        )
        return all(bound is None or 1000 * seconds <= bound for bound, seconds in spent)


def tpot(request: Mapping[str, Any]) -> float | None:
    """Return the seconds per output token after the first; None for an answer of one token."""
    tokens = request["completion_tokens"] or 0
    if tokens <= 1:
        return None
    return float((request["latency_s"] - request["ttft_s"]) / (tokens - 1))


def figures(requests: Sequence[Mapping[str, Any]], bounds: Bounds) -> dict[str, Any]:
    """Return the figures of a `load` event from the generator's times (generator.run_load)."""
    answered = [request for request in requests if not request["error"]]
    ends = [request["began_s"] + request["latency_s"] for request in answered]
    begins = [request["began_s"] for request in requests]
    seconds = max(ends) - min(begins) if answered else 0.0
    prompt = sum(request["prompt_tokens"] or 0 for request in answered)
    generated = sum(request["completion_tokens"] or 0 for request in answered)
    per_token = [each for each in map(tpot, answered) if each is not None]
    within = sum(bounds.are_met_by(request) for request in answered)

    def rate(amount: int) -> float | None:
        return amount / seconds if seconds else None

    return {
        "completed": len(answered),
        "failed": len(requests) - len(answered),
        "duration_s": seconds,
        "requests_per_s": rate(len(answered)),
        "prompt_tokens": prompt,
        "generation_tokens": generated,
        "prompt_tokens_per_s": rate(prompt),
        "generation_tokens_per_s": rate(generated),
        "ttft_s": spread([request["ttft_s"] for request in answered]),
        "tpot_s": spread(per_token),
        "latency_s": spread([request["latency_s"] for request in answered]),
        "goodput_per_s": rate(within) if bounds.words else None,
        "errors": sorted({request["error"] for request in requests if request["error"]}),
    }


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean, p50, p95 and p99; None for each where there are no values."""
    found = {f"p{percent}": percentile(values, percent) for percent in PERCENTILES}
    return {"mean": sum(values) / len(values) if values else None, **found}
