"""What a soak may send to a server, and how fast."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from onecard.api.client import Client
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.json_text import parse_json
from onecard.measure.soak.traffic import Limits, largest_picture
from onecard.measure.texts import words_of
from onecard.records import find_runs
from onecard.server.state import ServiceState

_NEAR_THE_KNEE: Final = 0.8  # of the most requests/s that a bench reached
_COUNTED_WORDS: Final = 200
_MOST_PICTURES: Final = 3


def knee(host: Host, state: ServiceState) -> float:
    """Return a rate near the most requests/s of the last bench of what is served.

    Raises UsageError where there is none.
    """
    for run in reversed(find_runs(host.name)[0]):
        server = run.last("server") or {}
        if run.kind == "bench" and (server.get("model"), server.get("ctx")) == (
            state.model,
            state.ctx,
        ):
            best = max((load.get("requests_per_s") or 0.0 for load in run.all("load")), default=0.0)
            if best:
                return _NEAR_THE_KNEE * best
    raise UsageError(
        f"{host.name}: no bench of {state.model} at {state.ctx:,} tokens is recorded: give a rate "
        f"with --rate, in requests/s, or run: invoke bench --host {host.name}"
    )


def read_limits(api: Client, state: ServiceState, picture: Path) -> Limits:
    """Measure what the largest picture and a text take, in tokens."""
    words = " ".join(islice(words_of("prose", 0), _COUNTED_WORDS))
    shown = api.chat([{"role": "user", "content": [largest_picture(picture)]}], max_tokens=1)
    return Limits(
        ctx=state.ctx,
        pictures=_most_pictures(state.options.get("limit-mm-per-prompt", "")),
        picture_tokens=shown.prompt_tokens or 0,
        words_per_token=_COUNTED_WORDS / api.count_tokens(words),
    )


def _most_pictures(option: str) -> int:
    """Return how many pictures a request may have by --limit-mm-per-prompt."""
    try:
        limit = parse_json(option)["image"]
        return min(int(limit["count"] if isinstance(limit, dict) else limit), _MOST_PICTURES)
    except (ValueError, KeyError, TypeError, OverflowError):
        return _MOST_PICTURES
