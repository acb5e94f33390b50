"""What one tune run measures, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onecard.measure.bench.loads import Load
from onecard.measure.tune.goal import Goal


@dataclass(frozen=True)
class TuneSettings:
    """The goal, the load, and the bounds of the search.

    repeats: rounds of the load on each server, 2 or more. budget_s: seconds in all, with the way
    back. only: the options to try; empty for all. keep: what is found stays deployed.
    """

    goal: Goal
    concurrency: int
    images: int
    input_tokens: int
    output_tokens: int
    requests: int
    repeats: int
    budget_s: float
    only: tuple[str, ...] = ()
    keep: bool = False

    def load(self, seed: int) -> Load:
        """Return one round; rounds of one seed have the same requests on every server."""
        return Load(
            f"{self.concurrency} at once",
            self.requests,
            self.input_tokens,
            self.output_tokens,
            self.images,
            concurrency=self.concurrency,
            seed=seed,
        )

    def values(self) -> dict[str, Any]:
        """Return the parameters of its record."""
        return {**vars(self), "goal": str(self.goal), "only": list(self.only)}
