"""What a host has cost so far: since it was provisioned, and for each token since its start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onecard.inventory.host import Host
from onecard.records.folder import now
from onecard.records.price import Price, Spent
from onecard.records.read import find_runs
from onecard.server.status import ServerStatus


@dataclass(frozen=True)
class ServerCost:
    """What a host has cost.

    spent: since the first provision in the records, if it was rented all that time; None without
    one. tokens: prompt and generated ones since the server's start. per_million: what a million of
    those cost, the time in which the server was idle included; None without any.
    """

    price: Price
    spent: Spent | None
    tokens: int
    per_million: float | None

    @property
    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield a title and a text for each line of `status`."""
        price, spent = self.price, self.spent
        yield "price", f"{price.text(price.per_hour)} an hour"
        if spent is None:
            yield "spent", "unknown: no provision of this host is in the records"
        else:
            yield (
                "spent",
                f"{price.text(spent.amount)} in {spent.hours:.1f} h since the first provision in "
                f"the records, {spent.since[:16].replace('T', ' ')} UTC, if rented all that time",
            )
        if self.per_million is not None:
            yield (
                "tokens",
                f"{self.tokens:,} prompt and generated since the start: "
                f"{price.text(self.per_million)} a million, idle time included",
            )


def server_cost(host: Host, found: ServerStatus) -> ServerCost | None:
    """Return what the host has cost until now; None where it has no price."""
    price = Price.of(host.settings.model_dump())
    if price is None:
        return None
    tokens = sum(found.metrics.get(name, 0.0) for name in ("prompt_tokens", "generation_tokens"))
    seconds = found.state.seconds
    return ServerCost(
        price,
        Spent.of(find_runs(host.name)[0], price, now()),
        int(tokens),
        price.per_million(tokens / seconds) if seconds else None,
    )
