"""The verdict of a certify run: what the server holds, in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onecard.measure.certify.capacity import Capacity
from onecard.measure.certify.proof import FAILED, HELD, PREEMPTED, WAITED, Proof
from onecard.smoke.smoke_table import duration


@dataclass(frozen=True)
class Certificate:
    """Three loads: `requests` at once, one more, and the same number about one document."""

    capacity: Capacity
    different: Proof
    one_more: Proof
    shared: Proof

    @property
    def held(self) -> bool:
        """Return whether that many were held, whatever they were about, and all were answered."""
        return (
            self.different.verdict == HELD
            and self.one_more.verdict != FAILED
            and self.shared.verdict not in (FAILED, PREEMPTED)
        )

    @property
    def line(self) -> str:
        """Return `holds 4 x 65,536 at once; the 5th waits 95.6 s ...; vLLM logs 4.18`."""
        line = self._held
        if self.shared.verdict in (FAILED, PREEMPTED):
            why = _unanswered if self.shared.verdict == FAILED else _preemptions
            line += f"; with one document shared by all: {why(self.shared)}"
        return f"{line}; {self._logged}"

    @property
    def _held(self) -> str:
        found, verdict = self.different, self.different.verdict
        what = f"{found.requests} x {self.capacity.ctx:,}"
        if verdict == HELD:
            return f"holds {what} at once; {self._next}"
        if verdict == FAILED:
            return f"{what} at once: {_unanswered(found)}"
        if verdict == PREEMPTED:
            return f"does not hold {what} at once: {_preemptions(found)}"
        if verdict == WAITED:
            return (
                f"holds {found.at_once} x {self.capacity.ctx:,} at once, not {found.requests}: the "
                "others waited until one had ended"
            )
        return f"nothing is proved of {what} at once: {self._unproved}"

    @property
    def _next(self) -> str:
        more = self.one_more
        name = f"the {_ordinal(more.requests)}"
        if more.verdict == FAILED:
            return f"with one more: {_unanswered(more)}"
        if more.verdict == PREEMPTED:
            return f"{name} causes {_preemptions(more)}"
        if more.at_once == more.requests:
            return f"{name} is held too"
        first_token = max(each["ttft_s"] for each in more.answered)
        return f"{name} waits {duration(first_token)} for its first token"

    @property
    def _unproved(self) -> str:
        found = self.different
        if found.last_in_s is not None and found.last_in_s < (found.first_end_s or 0.0):
            return f"vLLM counted {found.seen.running_peak or 0:.0f} as running at most"
        return (
            f"the first answer ended after {duration(found.first_end_s)}, before the last request "
            f"was in ({duration(found.last_in_s)}); try fewer with --requests, or a longer --ctx"
        )

    @property
    def _logged(self) -> str:
        capacity = self.capacity
        if capacity.logged is None or capacity.logged_ctx is None:
            return "what vLLM logged at its start is gone"
        line = f"vLLM logs {capacity.logged:.2f}"
        if capacity.logged_ctx == capacity.ctx:
            return line
        return f"{line} for {capacity.logged_ctx:,}, which is {capacity.at_once or 0:.2f} of these"

    def values(self) -> dict[str, Any]:
        """Return the values of the `certificate` event."""
        found = self.different
        tokens = found.seen.tokens
        expected = self.capacity.kv_use(found.requests, tokens / found.requests) if tokens else None
        return {
            "ctx": self.capacity.ctx,
            "requests": found.requests,
            "verdict": found.verdict,
            "held": self.held,
            "line": self.line,
            "kv_use": found.seen.kv_use,
            "kv_use_expected": expected,
            **self.capacity.values(),
        }


def _unanswered(proof: Proof) -> str:
    missing = proof.requests - len(proof.answered)
    return f"{missing} of {proof.requests} not answered ({proof.errors[0][:200]})"


def _preemptions(proof: Proof) -> str:
    count = int(proof.seen.preemptions or 0)
    return f"{count:,} preemption{'s'[: count != 1]}"


def _ordinal(number: int) -> str:
    """Return `5th`, `21st`, `112th`."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{'th' if number // 10 % 10 == 1 else ending}"
