"""What the server reuses of earlier requests, measured by `invoke cache`."""

from __future__ import annotations

from collections.abc import Iterator

from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Block, Column, Missing, Paragraph, Section, Table, Warn
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import source
from onecard.server.prefix_caching import OFF, remedy


def section(evidence: Evidence) -> Section:
    """Return tables of requests that were sent twice and of turns, or the command for them."""
    run = evidence.latest("cache", "cache")
    if run is None:
        nothing = Missing(
            "What the server reuses of earlier requests has not been measured.",
            f"invoke cache --host {evidence.host}",
        )
        return Section("reuse", "Reuse of earlier requests", (*_off(evidence), nothing))
    found = run.last("cache") or {}
    blocks: list[Block] = [Paragraph(_finding(found)), *_pairs(found), _turns(found, source(run))]
    return Section("reuse", "Reuse of earlier requests", tuple(blocks))


def _off(evidence: Evidence) -> Iterator[Block]:
    """Yield a warning where the newest start had it off, and the settings do not say so."""
    start = evidence.start
    if start is None:
        return
    serve = (start.run.begin.get("settings") or {}).get("serve") or {}
    logged = (start.event.get("memory") or {}).get("prefix_caching")
    if logged is False and serve.get("enable_prefix_caching") is None:
        yield Warn(f"{OFF[0].upper()}{OFF[1:]}. Type: {remedy(evidence.host)}")


def _finding(found: Event) -> str:
    """Return what prefix caching does, and what it costs."""
    words = str(found.get("finding", ""))
    words = f"{words[:1].upper()}{words[1:]}."
    tokens = found.get("tokens")
    if not tokens:
        return words
    share = numbers.one(Kind.SHARE, tokens.get("share"))
    return (
        f"{words} Where it is on, it takes by fit {share} of the KV cache: "
        f"{numbers.count(tokens.get('on'))} of {numbers.count(tokens.get('off'))} tokens are left."
    )


def pairs_of(found: Event) -> list[Event]:
    """Return what was sent twice: texts by length, then a picture."""
    return [*(found.get("texts") or ()), *filter(None, (found.get("picture"),))]


def _pairs(found: Event) -> Iterator[Block]:
    pairs = pairs_of(found)
    if not pairs:
        return
    yield Table.of_events(
        "reuse-pairs",
        "Time to the first token about new texts and pictures, and about the same again",
        (
            Column("what", "about"),
            Column("first_s", "first", Kind.SECONDS, "time"),
            Column("again_s", "again", Kind.SECONDS, "time"),
            Column("ratio", "ratio", Kind.RATIO, "ratio"),
            Column("low", "95 % from", Kind.RATIO, "ratio"),
            Column("high", "to", Kind.RATIO, "ratio"),
            Column("hits", "found in the cache", Kind.COUNT),
        ),
        ({**pair, "what": about(pair)} for pair in pairs),
        "Found: tokens of a text, or pictures, on average. A picture stands behind another text "
        "each time, so that its own cache alone counts.",
    )


def about(pair: Event) -> str:
    """Return what was sent twice: `3,481 tokens`, `a picture`."""
    return f"{numbers.count(pair['tokens'])} tokens" if pair.get("tokens") else "a picture"


def _turns(found: Event, note: str) -> Table:
    at_once: Event = found.get("at_once") or {}
    times = at_once.get("ttfts_s") or ()
    each = ", ".join(numbers.seconds(seconds) for seconds in times)
    return Table.of_events(
        "reuse-turns",
        "A conversation about one long text",
        (
            Column("number", "turn", Kind.COUNT),
            Column("prompt_tokens", "tokens", Kind.COUNT),
            Column("ttft_s", "TTFT", Kind.SECONDS),
            Column("hits", "tokens found in the cache", Kind.COUNT),
        ),
        found.get("turns") or (),
        f"Then {at_once.get('requests')} questions about it at once, each to its first token: "
        f"{each}; {numbers.count(at_once.get('hits'))} tokens found in all. {note}",
    )
