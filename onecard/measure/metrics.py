"""vLLM's own counters and gauges, from /metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from onecard.errors import OnecardError

_POLL = 0.2  # seconds
NAMES = {
    "vllm:kv_cache_usage_perc": "kv_use",
    "vllm:gpu_cache_usage_perc": "kv_use",  # until 0.11
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:num_preemptions_total": "preemptions",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
}


def read_metrics(text: str) -> dict[str, float]:
    """Return the values that are used here, summed over engines; one that is missing is left out.

    text: Prometheus' text format.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        sample, _, value = line.rpartition(" ")
        name = NAMES.get(sample.partition("{")[0])
        if name is None:
            continue
        try:
            found[name] = found.get(name, 0.0) + float(value)
        except ValueError:
            continue
    return found


@dataclass(frozen=True)
class Load:
    """What the server said of itself during a load: the most of each gauge, each counter's growth.

    None where the server does not tell. kv_use: 0 to 1.
    """

    kv_use_peak: float | None
    running_peak: float | None
    waiting_peak: float | None
    preemptions: float | None
    prompt_tokens: float | None
    generation_tokens: float | None


class MetricsWatch:
    """Asks /metrics again and again while entered; `load` then says what was seen.

    fetch: returns /metrics' text, or raises OnecardError: one that is missed is no matter.
    """

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch
        self._seen: list[dict[str, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> MetricsWatch:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _follow(self) -> None:
        while not self._stop.wait(_POLL):
            self._look()

    def _look(self) -> None:
        try:
            self._seen.append(read_metrics(self._fetch()))
        except OnecardError:
            return

    @property
    def load(self) -> Load:
        """Return the peaks and growths over the time that it was entered."""
        return Load(
            kv_use_peak=self._peak("kv_use"),
            running_peak=self._peak("running"),
            waiting_peak=self._peak("waiting"),
            preemptions=self._growth("preemptions"),
            prompt_tokens=self._growth("prompt_tokens"),
            generation_tokens=self._growth("generation_tokens"),
        )

    def _values(self, name: str) -> list[float]:
        return [seen[name] for seen in self._seen if name in seen]

    def _peak(self, name: str) -> float | None:
        return max(self._values(name), default=None)

    def _growth(self, name: str) -> float | None:
        values = self._values(name)
        return values[-1] - values[0] if values else None
