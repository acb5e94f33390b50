"""Parse progress bars in a server's log: of a download, a load or a graph capture."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BAR = re.compile(
    r"(?:(?P<label>[^\r\n%|]{0,160}?)[: ] {0,4})?"
    r"(?P<percent>\d{1,3})%(?: Completed)? ?\|(?P<rest>.{0,400})"
)
_COUNT = re.compile(r"(?P<done>[\d.]+[kKMGTP]?i?B?)/(?P<total>[\d.]+[kKMGTP]?i?B?)(?=[ ,\[\]]|$)")
_WHOLE = 100


@dataclass(frozen=True)
class Progress:
    """A bar's state. fraction: 0 to 1. label: what it counts. count: `1/2`, `3.1G/54G` or empty."""

    fraction: float
    label: str
    count: str = ""


def read_progress(message: str) -> Progress | None:
    """Return the state of the bar in `message`, None if there is no bar in it."""
    if "%" not in message or "|" not in message:
        return None
    match = _BAR.match(message.strip())
    if match is None or int(match["percent"]) > _WHOLE:
        return None
    count = _COUNT.search(match["rest"])
    return Progress(
        fraction=int(match["percent"]) / _WHOLE,
        label=(match["label"] or "").strip(" :"),
        count=f"{count['done']}/{count['total']}" if count else "",
    )
