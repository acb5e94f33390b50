"""Follows a server's start until it has answered a picture question, or has failed.

/health is not enough: an engine can answer it and die at the first request. Ready means that
/health, then /v1/models, then one question with a picture were answered.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from onecard.connect import Connected
from onecard.diagnosis import diagnose
from onecard.errors import OnecardError, UnhealthyError
from onecard.server import ServiceState, client, service_state
from onecard.session import Session
from onecard.smoke.cases import Case
from onecard.smoke.client import Client
from onecard.start import Event, StartTracker

_POLL = 0.5  # seconds between two looks at /health: a start takes 20 s or more
_LAST_WORDS = 3.0  # seconds that a dying server's last lines may take to reach the journal


@dataclass(frozen=True)
class Ready:
    """A server that has answered. seconds: from the start of the wait to the answer."""

    seconds: float
    tracker: StartTracker


class Journal:
    """The journal of one start of the server, followed in a thread over a second channel."""

    def __init__(self, session: Session, invocation: str) -> None:
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._session = session
        script = (
            f"exec journalctl -f -n all -o cat _SYSTEMD_INVOCATION_ID={invocation} "
            f"+ INVOCATION_ID={invocation}"
        )
        self._thread = threading.Thread(target=self._follow, args=(script,), daemon=True)
        self._thread.start()

    def _follow(self, script: str) -> None:
        # Ends when `close` cuts the channel, or when the connection is lost: the polling beside it
        # then tells so.
        with contextlib.suppress(OnecardError):
            self._session.run(script, on_line=self.lines.put)

    def close(self) -> None:
        """Stop following."""
        self._session.close()
        self._thread.join(5.0)


def wait_until_ready(
    box: Connected,
    question: Case,
    *,
    deadline_s: float,
    on_event: Callable[[Event], None],
) -> Ready:
    """Wait for the first answered question; feed every journal line to the phase tracker.

    Raises UnhealthyError with the first true error of the journal, its cause and its fix.
    """
    state = service_state(box.session)
    started = time.monotonic()
    tracker = StartTracker()
    seen: list[str] = []
    with client(box, state, timeout_s=min(deadline_s, 300.0)) as api:
        if _healthy(api.health):  # up already: there is no start to follow
            _first_answer(state, api, question)
            return Ready(time.monotonic() - started, tracker)
    journal = Journal(box.another_session(), state.invocation)

    def drain() -> None:
        while not journal.lines.empty():
            line = journal.lines.get()
            seen.append(line)
            for event in tracker.feed(line, time.monotonic() - started):
                on_event(event)

    try:
        with client(box, state, timeout_s=min(deadline_s, 300.0)) as api:
            while True:
                drain()
                if not tracker.alive:
                    _wait_for_last_words(drain, seen)
                    raise _failure(box, seen, "the server died while it was starting")
                if time.monotonic() - started > deadline_s:
                    waited = f"not ready after {deadline_s:.0f} s (serve.ready_timeout)"
                    raise _failure(box, seen, waited)
                if _healthy(api.health):
                    break
                _gone(box, drain, seen)
                time.sleep(_POLL)
            try:
                _first_answer(state, api, question)
            except OnecardError as error:
                _wait_for_last_words(drain, seen)
                raise _failure(box, seen, error.message) from error
            drain()
            for event in tracker.answered(time.monotonic() - started):
                on_event(event)
            return Ready(time.monotonic() - started, tracker)
    finally:
        journal.close()


def _healthy(health: Callable[[], None]) -> bool:
    try:
        health()
    except UnhealthyError:
        return False
    return True


def _gone(box: Connected, drain: Callable[[], None], seen: list[str]) -> None:
    """Raise when systemd no longer has the server running."""
    state = service_state(box.session)
    if state.active in ("failed", "inactive") or state.restarts:
        _wait_for_last_words(drain, seen)
        raise _failure(box, seen, f"the server ended while it was starting ({state.result})")


def _first_answer(state: ServiceState, api: Client, question: Case) -> None:
    served = [model.name for model in api.models()]
    if state.model not in served:
        raise UnhealthyError(f"serves {', '.join(served) or 'no model'}, not {state.model}")
    api.ask_case(question)


def _wait_for_last_words(drain: Callable[[], None], seen: list[str]) -> None:
    """Poll the journal until it has been quiet for a moment, `_LAST_WORDS` at most."""
    deadline = time.monotonic() + _LAST_WORDS
    quiet = 0
    while time.monotonic() < deadline and quiet < 3:
        before = len(seen)
        time.sleep(0.3)
        drain()
        quiet = quiet + 1 if len(seen) == before else 0


def _failure(box: Connected, seen: list[str], what: str) -> UnhealthyError:
    found = diagnose("\n".join(seen))
    name = box.host.name
    if not found.failure:
        tail = "\n".join(seen[-15:])
        return UnhealthyError(f"{name}: {what}; the journal names no error", tail)
    lines = [f"first error: {found.line.strip()}"]
    if found.rule is None:
        lines += [line.rstrip() for line in found.context]
    lines += [f"fix: {found.fix}"] if found.fix else []
    lines += [f"type: {found.command}"] if found.command else []
    cause = found.cause or "no rule knows this error"
    return UnhealthyError(f"{name}: {what}: {cause}", "\n".join(lines), found.to_json())
