"""What a host costs: what tokens cost at a speed, and what was spent since it was provisioned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from onecard.records.read import Run, seconds_between
from onecard.statistics.geometric_mean import Mean, geometric_mean

HOUR_S = 3600.0
MILLION = 1e6


@dataclass(frozen=True)
class Price:
    """The price of a host: per_hour in `currency` (ISO 4217)."""

    per_hour: float
    currency: str

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Price | None:
        """Return the price in a host's settings as a record holds them; None without one."""
        per_hour = settings.get("price_per_hour")
        return cls(float(per_hour), str(settings.get("currency", ""))) if per_hour else None

    def spent(self, seconds: float) -> float:
        """Return what so many seconds cost."""
        return self.per_hour * seconds / HOUR_S

    def per_million(self, tokens_per_s: float | None) -> float | None:
        """Return what a million tokens cost at a speed; None where nothing was produced."""
        return MILLION * self.spent(1 / tokens_per_s) if tokens_per_s else None

    def text(self, amount: float | None) -> str:
        """Return an amount with two decimals, or as many as show two of its digits."""
        if amount is None:
            return "-"
        decimals = 1 - floor(log10(amount)) if 0 < amount < 1 else 2
        return f"{amount:,.{max(decimals, 2)}f} {self.currency}"


@dataclass(frozen=True)
class LoadCost:
    """What a million tokens cost under one load.

    all_tokens: prompt and generated ones together. generated: the whole price divided by the
    generated ones alone, so that it holds their prompts' share too. No load separates the two: both
    are computed by the same card at once.
    """

    name: str
    generated: float | None
    all_tokens: float | None

    @classmethod
    def of(cls, load: Mapping[str, Any], price: Price) -> LoadCost:
        """Return the cost under a load, from its `load` event."""
        generated = load.get("generation_tokens_per_s")
        together = (load.get("prompt_tokens_per_s") or 0.0) + (generated or 0.0)
        name = str(load.get("name", ""))
        return cls(name, price.per_million(generated), price.per_million(together))


@dataclass(frozen=True)
class RepeatedCost:
    """The cost under a load that was repeated `rounds` times, with 95 % intervals."""

    name: str
    rounds: int
    generated: Mean
    all_tokens: Mean

    @classmethod
    def of(cls, rounds: Sequence[Mapping[str, Any]], price: Price) -> RepeatedCost | None:
        """Return the cost from the `load` events; None where fewer than two have tokens."""
        costs = [LoadCost.of(load, price) for load in rounds]
        generated = [cost.generated for cost in costs if cost.generated]
        together = [cost.all_tokens for cost in costs if cost.all_tokens]
        if len(generated) < 2 or len(together) < 2:
            return None
        return cls(
            costs[0].name, len(generated), geometric_mean(generated), geometric_mean(together)
        )


def rented_since(runs: Iterable[Run]) -> str:
    """Return when the first provision began, UTC; of the time since the last teardown, if any.

    runs: a host's, oldest first. Empty where none is recorded.
    """
    since = ""
    for run in runs:
        if run.kind == "teardown" and run.status == "done":
            since = ""
        elif run.kind == "provision":
            since = since or run.time
    return since


@dataclass(frozen=True)
class Spent:
    """What a host has cost between two times (UTC), if it was rented all that time."""

    since: str
    until: str
    hours: float
    amount: float

    @classmethod
    def of(cls, runs: Sequence[Run], price: Price, until: str) -> Spent | None:
        """Return what was spent until a time; None without a recorded provision."""
        since = rented_since(runs)
        if not since:
            return None
        seconds = max(0.0, seconds_between(since, until))
        return cls(since, until, seconds / HOUR_S, price.spent(seconds))
