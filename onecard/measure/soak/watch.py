"""Samples of the box while a soak runs: the server's memory, its KV cache, its restarts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from onecard.api.metrics import read_metrics
from onecard.errors import OnecardError
from onecard.measure.process_memory import RESIDENT, process_script, read_process_gib
from onecard.server.load_sample import CARD_QUERY, read_cards
from onecard.server.state import ServiceState, service_state
from onecard.ssh.login import Connected

_MEMORY: Final = f"{process_script(RESIDENT)}\n{CARD_QUERY}"


@dataclass(frozen=True)
class Sample:
    """One look at the server. at_s: since the soak began; negative before.

    kv_use: 0 to 1. process_gib: its processes together; memory that they share counts for each.
    card_mib: of each card. None, or empty, where it could not be read.
    """

    at_s: float
    kv_use: float | None = None
    running: float | None = None
    waiting: float | None = None
    preemptions: float | None = None
    process_gib: float | None = None
    card_mib: list[int] = field(default_factory=list)

    @property
    def is_idle(self) -> bool:
        """Return whether the server answers and has nothing to do."""
        return self.running == 0 and not self.waiting


class Watch:
    """Samples a server, every `period_s` while entered. fetch: returns the text of /metrics.

    The server has ended when its unit has another invocation than at the beginning, or none.
    """

    def __init__(
        self,
        box: Connected,
        fetch: Callable[[], str],
        period_s: float,
        on_sample: Callable[[Sample], None],
    ) -> None:
        self._session, self._fetch = box.another_session(), fetch
        self._period_s, self._on_sample = period_s, on_sample
        self.first = service_state(self._session)
        self.ended = threading.Event()
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._began = time.monotonic()

    def __enter__(self) -> Watch:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(self._period_s + 10.0)
        self._session.close()

    def sample(self) -> Sample:
        """Look at the server now. Raises OnecardError where the box does not answer."""
        with self._lock:
            try:
                metrics = read_metrics(self._fetch())
            except OnecardError:
                metrics = {}
            memory = self._session.run(_MEMORY).output
        return Sample(
            at_s=time.monotonic() - self._began,
            kv_use=metrics.get("kv_use"),
            running=metrics.get("running"),
            waiting=metrics.get("waiting"),
            preemptions=metrics.get("preemptions"),
            process_gib=read_process_gib(memory, RESIDENT),
            card_mib=[card.memory_used_mib for card in read_cards(memory)],
        )

    def _follow(self) -> None:
        while not self._stop.wait(self._period_s):
            try:
                self._on_sample(self.sample())
                with self._lock:
                    now = service_state(self._session)
            except OnecardError:
                self.ended.set()
                return
            if has_ended(self.first, now):
                self.ended.set()
                return


def has_ended(first: ServiceState, now: ServiceState) -> bool:
    """Return whether the server that ran first runs no more, also where another was started."""
    same = (first.invocation, first.restarts) == (now.invocation, now.restarts)
    return now.down or not same
