"""What one bench measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onecard.measure.bench.figures import Bounds
from onecard.measure.bench.loads import Load, auto_rates

TUNNEL_ROUNDS = 3


@dataclass(frozen=True)
class BenchSettings:
    """The loads. rates: empty for rates that follow from what the concurrencies reach.

    repeats, most_repeats: of the load that both generators make, at least and at most.
    """

    concurrencies: Sequence[int]
    rates: Sequence[float]
    images: Sequence[int]
    input_tokens: int
    output_tokens: int
    requests: int
    repeats: int
    most_repeats: int
    bounds: Bounds

    def load(self, name: str, images: int) -> Load:
        """Return a load without a rate or a concurrency."""
        pictures = {0: "text", 1: "image"}.get(images, f"{images} images")
        return Load(
            f"{pictures}, {name}", self.requests, self.input_tokens, self.output_tokens, images
        )

    @property
    def steps(self) -> int:
        """Return the number of loads, without those of both generators."""
        rates = len(self.rates) or len(auto_rates(1.0))
        sweep = len(self.images) * (len(self.concurrencies) + rates)
        return sweep + 2 * TUNNEL_ROUNDS
