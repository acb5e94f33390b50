"""The result of a cache measurement on a terminal."""

from __future__ import annotations

from rich.console import Console

from onecard.console.whole_table import figure_table, print_whole
from onecard.measure.cache.reuse import Pair, Reuse
from onecard.smoke.smoke_table import duration


def print_reuse(found: Reuse, console: Console) -> None:
    """Print the pairs, the turns, the questions at once, and what they mean."""
    pairs = [*found.texts, *([found.picture] if found.picture else [])]
    table = figure_table("sent twice", "first", "again", "ratio", "95 %", "found in the cache")
    for pair in pairs:
        table.add_row(
            f"{pair.tokens:,} tokens" if pair.tokens else "a picture",
            duration(pair.first_s),
            duration(pair.again_s),
            f"{pair.ratio:.2f}",
            f"{pair.low:.2f} to {pair.high:.2f}",
            _hits(pair),
        )
    print_whole(table, console)
    console.print()
    table = figure_table("conversation", "tokens", "TTFT", "found in the cache")
    for turn in found.turns:
        tokens = "-" if turn.prompt_tokens is None else f"{turn.prompt_tokens:,}"
        table.add_row(f"turn {turn.number}", tokens, duration(turn.ttft_s), _tokens(turn.hits))
    at_once = found.at_once
    times = ", ".join(map(duration, at_once.ttfts_s))
    table.add_row(f"{at_once.requests} at once", "", "", _tokens(at_once.hits))
    print_whole(table, console)
    console.print(f"{at_once.requests} at once, each to its first token: {times}")
    console.print(found.finding, style="bold")
    for line in filter(None, (found.price, found.advice)):
        console.print(line)


def _hits(pair: Pair) -> str:
    if pair.what == "text":
        return _tokens(pair.hits)
    return "-" if pair.hits is None else f"{pair.hits:g} of 1"


def _tokens(hits: float | None) -> str:
    return "-" if hits is None else f"{hits:,.0f} tokens"
