"""What was measured of a server's caches, and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onecard.fit.caching import CachingTokens
from onecard.statistics.geometric_mean import geometric_mean
from onecard.statistics.percentile import percentile


@dataclass(frozen=True)
class Pair:
    """Requests that were sent for the first time and once more, with another question.

    what: `text` or `picture`. tokens: of the text; 0 for a picture. first_s, again_s: medians of
    the times to the first token. ratio: again to first, with its 95 % interval. hits: what was
    found in the cache in each repeat, tokens of a text or pictures; None where the server does not
    report it.
    """

    what: str
    tokens: int
    repeats: int
    first_s: float
    again_s: float
    ratio: float
    low: float
    high: float
    hits: float | None

    @classmethod
    def of(cls, what: str, tokens: int, times: Sequence[float], hits: float | None) -> Pair:
        """Return the figures; times: of first, again, first, again ..., two pairs or more."""
        first, again = times[::2], times[1::2]
        ratio = geometric_mean([later / one for one, later in zip(first, again, strict=True)])
        return cls(
            what,
            tokens,
            len(first),
            percentile(first, 50) or 0.0,
            percentile(again, 50) or 0.0,
            ratio.value,
            ratio.low,
            ratio.high,
            None if hits is None else hits / len(first),
        )

    @property
    def is_faster(self) -> bool:
        """Return whether something was found in the cache, and the second is shown to be faster."""
        return bool(self.hits) and self.high < 1


@dataclass(frozen=True)
class ReusedTurn:
    """One turn of a conversation about a document; hits: tokens found in the cache."""

    number: int
    prompt_tokens: int | None
    ttft_s: float
    hits: float | None


@dataclass(frozen=True)
class AtOnce:
    """Questions that were sent at once about the document of the turns.

    hits: tokens found in the cache, of all together. No rate: queries count a waiting request again
    in every step.
    """

    requests: int
    ttfts_s: tuple[float, ...]
    hits: float | None


@dataclass(frozen=True)
class Reuse:
    """The whole measurement.

    is_on: whether the running server has prefix caching; None where it does not report it.
    block_tokens: of a cached block. tokens: None where the model or card is not modelled.
    """

    is_on: bool | None
    block_tokens: int | None
    texts: tuple[Pair, ...]
    picture: Pair | None
    turns: tuple[ReusedTurn, ...]
    at_once: AtOnce
    tokens: CachingTokens | None

    @property
    def pays_from(self) -> int | None:
        """Return the shortest measured text from which on all are shown to be faster again."""
        found = None
        for pair in sorted(self.texts, key=lambda pair: -pair.tokens):
            if not pair.is_faster:
                break
            found = pair.tokens
        return found

    @property
    def finding(self) -> str:
        """Return what prefix caching does here, in a sentence."""
        first, last = self.turns[0], self.turns[-1]
        turns = f"the first turn took {first.ttft_s:.2f} s, the last {last.ttft_s:.2f} s"
        if self.is_on is False:
            return f"prefix caching is off: each turn computes the whole document again ({turns})"
        if not any(turn.hits for turn in self.turns) and not any(p.hits for p in self.texts):
            return f"prefix caching does nothing here: no token was found in the cache ({turns})"
        if self.pays_from is None:
            return f"tokens are found in the cache, but no text is shown to be faster ({turns})"
        return f"prefix caching pays from {self.pays_from:,} tokens on ({turns})"

    @property
    def price(self) -> str:
        """Return what prefix caching costs in tokens by `fit`; empty where that is not known."""
        if self.tokens is None:
            return ""
        return (
            f"where it is on, it costs by fit {100 * self.tokens.share:.1f} % of the KV cache: "
            f"{self.tokens.on:,} of {self.tokens.off:,} tokens are left"
        )

    @property
    def advice(self) -> str:
        """Return what to type where it is off; empty where it is on."""
        if self.is_on is not False:
            return ""
        return "turn it on: invoke deploy --enable-prefix-caching, then measure again"

    def values(self) -> dict[str, Any]:
        """Return the values of the `cache` event, and of the document."""
        return {
            "is_on": self.is_on,
            "block_tokens": self.block_tokens,
            "pays_from": self.pays_from,
            "finding": self.finding,
            "tokens": None
            if self.tokens is None
            else {**vars(self.tokens), "share": self.tokens.share},
            "texts": [vars(pair) for pair in self.texts],
            "picture": vars(self.picture) if self.picture else None,
            "turns": [vars(turn) for turn in self.turns],
            "at_once": vars(self.at_once),
        }
