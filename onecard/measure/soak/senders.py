"""Sends the traffic: arrivals at random times, each in a thread of its own, so many at most."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from onecard.api.client import OK, Client, chat_request
from onecard.credentials.secret import Secret
from onecard.errors import UnhealthyError
from onecard.measure.soak.raw_request import abort, status_of
from onecard.measure.soak.traffic import ABORTED, CONVERSATION, WRONG, Arrival, Traffic
from onecard.measure.soak.wrong_requests import wrong_requests

MOST_OPEN: Final = 64  # arrivals that are being answered; then the next one waits
LONGEST_S: Final = 900.0  # of one request
ANSWERED: Final = "answered"
FAILED: Final = "failed"
REFUSED: Final = "refused"
NOT_REFUSED: Final = "not_refused"
_REFUSALS: Final = range(400, 500)


@dataclass(frozen=True)
class SoakOutcome:
    """What became of one request.

    outcome: ANSWERED or FAILED for one of a conversation; ABORTED; REFUSED or NOT_REFUSED for a
    wrong one. at_s: when it was sent, since the soak began.
    """

    outcome: str
    at_s: float
    ttft_s: float | None = None
    latency_s: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Target:
    """Where the server is reached, and what it serves. shown: its address for messages."""

    url: str
    model: str
    ctx: int
    key: Secret | None
    shown: str

    def client(self) -> Client:
        """Return a client; each thread needs its own."""
        return Client(self.url, self.model, self.key, LONGEST_S, shown=self.shown)


class Senders:
    """Sends arrivals while entered, `rate` of them a second on average.

    on_outcome is called from the threads, one at a time, and no more once this is left.
    """

    def __init__(
        self,
        target: Target,
        traffic: Traffic,
        rate: float,
        on_outcome: Callable[[SoakOutcome], None],
    ) -> None:
        self._target, self._traffic, self._rate = target, traffic, rate
        self._on_outcome = on_outcome
        self._wrong = tuple(wrong_requests(target.model, target.ctx).items())
        self._places = threading.Semaphore(MOST_OPEN)
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._over = False
        self._open: set[threading.Thread] = set()
        self._dispatcher = threading.Thread(target=self._dispatch, daemon=True)
        self._began = 0.0
        self._send = {
            CONVERSATION: self._converse,
            ABORTED: self._abort,
            WRONG: self._send_wrong,
        }

    def __enter__(self) -> Senders:
        self._began = time.monotonic()
        self._dispatcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        with self._lock:
            self._over = True

    def finish(self, deadline_s: float) -> int:
        """Send nothing more and wait for the answers; return how many arrivals have none yet."""
        self._stop.set()
        deadline = time.monotonic() + deadline_s
        self._dispatcher.join(deadline_s)
        for thread in self._still_open():
            thread.join(max(0.0, deadline - time.monotonic()))
        return len(self._still_open())

    def _still_open(self) -> list[threading.Thread]:
        with self._lock:
            return [each for each in self._open if each.is_alive()]

    def _dispatch(self) -> None:
        chance = random.Random(self._rate)  # noqa: S311  # traffic, not a secret
        number, due = 0, 0.0
        while True:
            due += chance.expovariate(self._rate)
            if self._stop.wait(max(0.0, due - self._now())):
                return
            while not self._places.acquire(timeout=1.0):
                due = self._now()  # what could not be sent in time is not made up for
                if self._stop.is_set():
                    return
            thread = threading.Thread(target=self._serve, args=(number,), daemon=True)
            with self._lock:
                self._open.add(thread)
            thread.start()
            number += 1

    def _serve(self, number: int) -> None:
        arrival = self._traffic.arrival(number)
        try:
            self._send[arrival.kind](arrival)
        finally:
            self._places.release()
            with self._lock:
                self._open.discard(threading.current_thread())

    def _converse(self, arrival: Arrival) -> None:
        messages: list[dict[str, Any]] = []
        with self._target.client() as api:
            for turn in arrival.turns:
                messages.append({"role": "user", "content": list(turn.content)})
                at_s = self._now()
                try:
                    reply = api.chat(messages, max_tokens=turn.max_tokens)
                except UnhealthyError as error:
                    self._report(SoakOutcome(FAILED, at_s, error=error.message))
                    return
                self._report(SoakOutcome(ANSWERED, at_s, reply.ttft_s, reply.total_s))
                messages.append({"role": "assistant", "content": reply.text or "Nothing."})
                if self._stop.is_set():
                    return

    def _abort(self, arrival: Arrival) -> None:
        [turn] = arrival.turns
        message = {"role": "user", "content": list(turn.content)}
        model, after = self._target.model, arrival.number % 2 == 0
        body = chat_request(model, [message], max_tokens=turn.max_tokens, thinking=False)
        body["ignore_eos"] = True
        url, key = self._target.url, self._target.key
        self._raw(
            lambda: abort(url, key, body, LONGEST_S, after_token=after) == OK,
            ABORTED,
            FAILED,
            "a request to be aborted was refused",
        )

    def _send_wrong(self, arrival: Arrival) -> None:
        what, body = self._wrong[arrival.number % len(self._wrong)]
        url, key = self._target.url, self._target.key
        self._raw(
            lambda: status_of(url, key, body, LONGEST_S) in _REFUSALS,
            REFUSED,
            NOT_REFUSED,
            f"not refused: {what}",
        )

    def _raw(self, send: Callable[[], bool], if_expected: str, if_not: str, error: str) -> None:
        """Send a request; report `if_expected` where it ends as expected, else `if_not`."""
        at_s = self._now()
        try:
            expected = send()
        except (OSError, http.client.HTTPException) as lost:
            self._report(SoakOutcome(FAILED, at_s, error=f"no answer: {type(lost).__name__}"))
            return
        if expected:
            self._report(SoakOutcome(if_expected, at_s))
        else:
            self._report(SoakOutcome(if_not, at_s, error=error))

    def _report(self, outcome: SoakOutcome) -> None:
        with self._lock:
            if not self._over:
                self._on_outcome(outcome)

    def _now(self) -> float:
        return time.monotonic() - self._began
