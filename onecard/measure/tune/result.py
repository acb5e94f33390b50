"""What a tune run would try, and what it has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from onecard.measure.stress.verdict import percent
from onecard.measure.tune.candidates import Candidate, LeftOut
from onecard.measure.tune.goal import Goal
from onecard.measure.tune.judgement import BETTER, judge, rates, ratio, shown
from onecard.measure.tune.search import Measured, Trial
from onecard.records.write import plain
from onecard.statistics.geometric_mean import Mean, geometric_mean


@dataclass(frozen=True)
class TunePlan:
    """What would be tried. start_s, trial_s: what they took here before, None where unknown."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    start_s: float | None
    trial_s: float | None
    budget_s: float

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        trials = [
            {
                "option": each.option,
                "title": each.title,
                "settings": plain(each.values),
                "for_more_cache": each.for_more_cache,
            }
            for each in self.candidates
        ]
        return {**vars(self), "candidates": trials, "left_out": _reasons(self.left_out)}


@dataclass(frozen=True)
class TuneResult:
    """What was found: settings below `serve` that were better than the current release at first.

    again: rounds of the restored release, after the trials; None where it was not measured again.
    trouble: why it was not restored.
    """

    host: str
    goal: Goal
    base: Measured
    best: Measured
    trials: tuple[Trial, ...]
    left_out: tuple[LeftOut, ...]
    found: Mapping[str, object]
    again: Sequence[dict[str, Any]] | None
    kept: bool
    interrupted: bool
    trouble: str = ""

    @property
    def exit_code(self) -> int:
        """Return 1 where what ran before does not run again."""
        return 1 if self.trouble else 0

    @property
    def confirmed(self) -> bool | None:
        """Return whether the best is better than the current release once more, after the trials.

        A box that other work leaves free meanwhile makes every later server look better. None
        where nothing was found, or the release was not measured again.
        """
        if self.again is None or not self.found:
            return None
        judged = judge(self.goal, self.best.rounds, self.again, len(self.trials))
        return judged.outcome == BETTER

    @property
    def settings(self) -> Mapping[str, object]:
        """Return what is to be set: what was found, unless measuring again refutes it."""
        return {} if self.confirmed is False else self.found

    @property
    def control(self) -> Mean | None:
        """Return the requests/s of the restored release as a ratio to what they were at first."""
        return None if self.again is None else ratio(rates(self.again), rates(self.base.rounds))

    @property
    def gain(self) -> Mean | None:
        """Return the requests/s of the best as a ratio to the current release; None without.

        The best was chosen by these rounds, so the interval is as wide as those of the trials.
        """
        if not self.settings:
            return None
        return ratio(rates(self.best.rounds), rates(self.base.rounds), len(self.trials))

    @property
    def use(self) -> float:
        """Return the largest share of a limit that the best needs, a mean over the rounds."""
        return geometric_mean([self.goal.use(load) for load in self.best.rounds]).value

    @property
    def line(self) -> str:
        """Return the result in a sentence."""
        reached = "meets" if self.use <= 1 else "misses"
        goal = f"{reached} {self.goal} ({percent(self.use)} of the nearest limit)"
        words = f"{_count(len(self.trials), 'trial')}: "
        if gain := self.gain:
            settings = _count(len(self.settings), "setting")
            words += f"requests/s {shown(gain)}, at 95 %, with {settings}; the best {goal}"
        else:
            words += f"none is shown to be better than the current release, which {goal}"
            if self.confirmed is False:
                words = (
                    f"{_count(len(self.trials), 'trial')}: what seemed better is not confirmed by "
                    "the current release, measured again: the box itself has changed meanwhile"
                )
        return f"interrupted after {words}" if self.interrupted else words

    @property
    def paste(self) -> str:
        """Return the settings as YAML for the inventory; empty where none is better."""
        if not self.settings:
            return ""
        return yaml.safe_dump({"serve": plain(self.settings)}, sort_keys=False)

    def values(self) -> dict[str, Any]:
        """Return the values of the `tune` event."""
        return {
            "goal": str(self.goal),
            "line": self.line,
            "settings": plain(self.settings),
            "paste": self.paste,
            "gain": vars(self.gain) if self.gain else None,
            "use": self.use,
            "base": {"answers": self.base.answers.values(), "rounds": self.base.rounds},
            "left_out": _reasons(self.left_out),
            "confirmed": self.confirmed,
            "control": vars(self.control) if self.control else None,
            "kept": self.kept,
            "interrupted": self.interrupted,
            "trouble": self.trouble,
        }


def _reasons(left_out: tuple[LeftOut, ...]) -> list[dict[str, str]]:
    return [vars(each) for each in left_out]


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'s'[: number != 1]}"
