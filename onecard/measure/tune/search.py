"""The search: one option at a time, on top of the best so far, while the budget lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onecard.console.live_line import rough
from onecard.measure.tune.candidates import Candidate, LeftOut, is_full
from onecard.measure.tune.goal import Goal
from onecard.measure.tune.judgement import ANSWERS, BETTER, FAILED, Answers, Judgement, judge, shown


@dataclass(frozen=True)
class Measured:
    """A server that was measured. rounds: `load` events; release: number and fingerprint."""

    answers: Answers
    rounds: list[dict[str, Any]]
    release: int = 0
    fingerprint: str = ""


@dataclass(frozen=True)
class Trial:
    """A candidate, and what came of it. seconds: with the start; measured: None where it failed."""

    candidate: Candidate
    judgement: Judgement
    seconds: float
    measured: Measured | None = None

    @property
    def is_better(self) -> bool:
        """Return whether its settings were taken over."""
        return self.judgement.outcome == BETTER

    def values(self) -> dict[str, Any]:
        """Return the values of a `trial` event."""
        found, measured = self.judgement, self.measured
        return {
            "option": self.candidate.option,
            "title": self.candidate.title,
            "settings": dict(self.candidate.values),
            "outcome": found.outcome,
            "reason": found.reason,
            "gain": vars(found.gain) if found.gain else None,
            "use": vars(found.use) if found.use else None,
            "answers": measured.answers.values() if measured else None,
            "rounds": measured.rounds if measured else [],
            "seconds": self.seconds,
        }


# Serves settings and measures them; or returns why they are not served, or their answers are worse.
Try = Callable[[Mapping[str, object], Candidate], "Measured | Judgement"]


@dataclass
class Search:
    """A coordinate search: each option once, the values that are better stay.

    base: the current release. clock: seconds since the run began. trial_s: what a trial takes as
    far as is known, s; restoring takes as long at most.
    """

    goal: Goal
    base: Measured
    attempt: Try
    clock: Callable[[], float]
    budget_s: float
    trial_s: float
    say: Callable[[str], None] = lambda text: None
    on_trial: Callable[[Trial], None] = lambda trial: None
    trials: list[Trial] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.best = self.base

    def run(self, candidates: Sequence[Candidate]) -> None:
        """Try the candidates in turn; settings, best, trials and left_out grow with each."""
        wanted = [each for each in candidates if not self._is_pointless(each)]
        for number, candidate in enumerate(wanted, start=1):
            left_s = self.budget_s - self.clock() - self.trial_s
            if self.trial_s > left_s:
                self.left_out += [
                    LeftOut(each.title, f"the budget of {rough(self.budget_s)} is spent")
                    for each in wanted[number - 1 :]
                ]
                return
            rest_s = min(self.trial_s * (len(wanted) - number + 1), left_s)
            time_left = f", about {rough(rest_s)} left" if rest_s else ""
            self.say(f"trial {number} of {len(wanted)}: {candidate.title}{time_left}")
            self._one(candidate, len(wanted))

    def _is_pointless(self, candidate: Candidate) -> bool:
        """Return whether it makes room in a KV cache that has room; then it is left out."""
        if not candidate.for_more_cache:
            return False
        uses = [each["kv_use_peak"] for each in self.base.rounds]
        known = [each for each in uses if each is not None]
        preemptions = sum(each["preemptions"] or 0 for each in self.base.rounds)
        if is_full(max(known, default=None), preemptions):
            return False
        reason = f"the KV cache was {100 * max(known):.0f} % full at most: more of it gains nothing"
        self.left_out.append(LeftOut(candidate.title, reason))
        return True

    def _one(self, candidate: Candidate, comparisons: int) -> None:
        began = self.clock()
        found = self.attempt({**self.settings, **candidate.values}, candidate)
        if isinstance(found, Judgement):
            trial = Trial(candidate, found, self.clock() - began)
        else:
            judgement = judge(self.goal, found.rounds, self.best.rounds, comparisons)
            trial = Trial(candidate, judgement, self.clock() - began, found)
            if trial.is_better:
                self.settings.update(candidate.values)
                self.best = found
        if trial.judgement.outcome not in (FAILED, ANSWERS):  # these end sooner
            self.trial_s = max(trial.seconds, self.trial_s)
        self.trials.append(trial)
        self.say(described(trial))
        self.on_trial(trial)


def described(trial: Trial) -> str:
    """Return a trial's outcome in a line."""
    found = trial.judgement
    words = f"{trial.candidate.title}: {found.outcome}"
    if found.gain:
        words += f", requests/s {shown(found.gain)}"
    return f"{words}; {found.reason}"
