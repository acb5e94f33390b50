"""What a server reports of itself while a load runs, from /metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from onecard.api.metrics import read_metrics
from onecard.errors import OnecardError

_POLL_S = 0.2


@dataclass(frozen=True)
class ServerLoad:
    """What the server said of itself during a load: the most of each gauge, each counter's growth.

    None where the server does not report it. kv_use_peak: 0 to 1.
    """

    kv_use_peak: float | None
    running_peak: float | None
    waiting_peak: float | None
    preemptions: float | None
    prompt_tokens: float | None
    generation_tokens: float | None


class MetricsWatch:
    """Polls /metrics (every 0.2 s) while entered; `load` has the peaks and growths.

    fetch: returns the text of /metrics, or raises OnecardError: a missed sample is ignored.
    """

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch
        self._samples: list[dict[str, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> MetricsWatch:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _poll(self) -> None:
        while not self._stop.wait(_POLL_S):
            self._sample()

    def _sample(self) -> None:
        try:
            self._samples.append(read_metrics(self._fetch()))
        except OnecardError:
            return

    @property
    def load(self) -> ServerLoad:
        """Return the peaks and growths over the time that it was entered."""
        return ServerLoad(
            kv_use_peak=self._peak("kv_use"),
            running_peak=self._peak("running"),
            waiting_peak=self._peak("waiting"),
            preemptions=self._growth("preemptions"),
            prompt_tokens=self._growth("prompt_tokens"),
            generation_tokens=self._growth("generation_tokens"),
        )

    @property
    def samples(self) -> tuple[dict[str, float], ...]:
        """Return the values of NAMES in each sample, in order."""
        return tuple(self._samples)

    def _values(self, name: str) -> list[float]:
        return [sample[name] for sample in self._samples if name in sample]

    def _peak(self, name: str) -> float | None:
        return max(self._values(name), default=None)

    def _growth(self, name: str) -> float | None:
        values = self._values(name)
        return values[-1] - values[0] if values else None
