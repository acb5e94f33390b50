"""Names and figures of the loads of a bench."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onecard.report.blocks import numbers
from onecard.report.blocks.chart import Series
from onecard.report.evidence.evidence import Event

PERCENTILES = ("p50", "p95", "p99")


def shape(load: Event) -> str:
    """Return the size of a load's requests: `512 + 64 tokens, 1 picture`."""
    pictures = load.get("images") or 0
    words = (
        f"{numbers.count(load.get('input_tokens'))} + "
        f"{numbers.count(load.get('output_tokens'))} tokens"
    )
    return f"{words}, {pictures} picture{'s' if pictures > 1 else ''}" if pictures else words


def offered(load: Event) -> str:
    """Return how the requests were sent: `4 at once`, `2 a second`."""
    words = []
    if load.get("rate") is not None:
        words.append(f"{load['rate']:g} a second")
    if load.get("concurrency") is not None:
        words.append(f"{load['concurrency']} at once")
    return ", ".join(words) or "all at once"


def figure_of(load: Event, name: str, percentile: str) -> float | None:
    """Return a percentile (`p95`) of a figure of a load; None without one."""
    found: Any = (load.get(name) or {}).get(percentile)
    return None if found is None else float(found)


def words(drawn: Sequence[Series], unit: str) -> str:
    """Return the lines of a plot in words, a sentence each."""
    return " ".join(
        f"{line.name}: "
        + ", ".join(
            f"{numbers.three_digits(y)} at {numbers.three_digits(x)} {unit}"
            for x, y in zip(line.x, line.y, strict=True)
        )
        + "."
        for line in drawn
    )
