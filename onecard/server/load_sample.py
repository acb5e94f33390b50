"""One sample of a running server's load: its own metrics, its cards, its last errors."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from onecard.api.client import Client
from onecard.api.metrics import read_metrics
from onecard.box.paths import UNIT
from onecard.server.state import ServiceState
from onecard.ssh.answer_lines import real, whole
from onecard.ssh.shell import Session
from onecard.startup_log.line import read_line

_MARK: Final = "@errors"
CARD_QUERY: Final = (
    "! command -v nvidia-smi >/dev/null || timeout 10 nvidia-smi --format=csv,noheader,nounits "
    "--query-gpu=memory.used,memory.total,power.draw,temperature.gpu"
)
# vLLM's own errors, and requests that were refused or failed in its access log.
_IS_ERROR: Final = '(^|[ )])ERROR |HTTP/1.1" [45][0-9][0-9]'
_LINES, _SHOWN = 400, 3


@dataclass(frozen=True)
class CardSample:
    """One card; power_w and temperature_c are None where nvidia-smi has none."""

    memory_used_mib: int
    memory_total_mib: int
    power_w: float | None
    temperature_c: float | None


@dataclass(frozen=True)
class Reading:
    """What was read at one time: at_s on this computer's monotonic clock."""

    at_s: float
    metrics: Mapping[str, float]
    cards: tuple[CardSample, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class LoadSample:
    """The load over `interval_s` seconds. None where the server does not report it.

    running, waiting: requests at its end. kv_use: 0 to 1. errors: the last ones since the start.
    """

    interval_s: float
    running: int | None
    waiting: int | None
    requests_per_s: float | None
    prompt_tokens_per_s: float | None
    generation_tokens_per_s: float | None
    kv_use: float | None
    preemptions: int | None
    cards: tuple[CardSample, ...]
    errors: tuple[str, ...]


def read_load(session: Session, state: ServiceState, api: Client) -> Reading:
    """Read metrics through the tunnel, and cards and errors on the box; one round trip each.

    Raises UnhealthyError where the server does not answer.
    """
    metrics = read_metrics(api.metrics())
    at_s = time.monotonic()
    script = (
        f"{CARD_QUERY}\necho {_MARK}\nservices log {UNIT} {_LINES} {state.invocation} "
        f"| grep -aE '{_IS_ERROR}' | tail -n {_SHOWN}"
    )
    cards, _, errors = session.run(script).output.partition(f"{_MARK}\n")
    return Reading(at_s, metrics, read_cards(cards), read_errors(errors))


def read_cards(text: str) -> tuple[CardSample, ...]:
    """Parse nvidia-smi's lines, such as `71234, 81559, 412.33, 61`; others are passed over."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 4:
            continue
        used, total = whole(cells[0]), whole(cells[1])
        power, temperature = (real(cell) for cell in cells[2:])
        if used is not None and total is not None:
            found.append(CardSample(used, total, power, temperature))
    return tuple(found)


def read_errors(text: str) -> tuple[str, ...]:
    """Return the messages of journal lines, without their prefixes."""
    return tuple(read_line(line).message.strip() for line in text.splitlines() if line.strip())


def between(before: Reading, now: Reading) -> LoadSample:
    """Return the load between two readings, the later one's gauges."""
    seconds = now.at_s - before.at_s

    def rate(name: str) -> float | None:
        if name not in before.metrics or name not in now.metrics or seconds <= 0:
            return None
        grown = now.metrics[name] - before.metrics[name]
        return grown / seconds if grown >= 0 else None  # a restart begins at 0

    def count(name: str) -> int | None:
        return int(now.metrics[name]) if name in now.metrics else None

    return LoadSample(
        interval_s=round(seconds, 2),
        running=count("running"),
        waiting=count("waiting"),
        requests_per_s=rate("finished"),
        prompt_tokens_per_s=rate("prompt_tokens"),
        generation_tokens_per_s=rate("generation_tokens"),
        kv_use=now.metrics.get("kv_use"),
        preemptions=count("preemptions"),
        cards=now.cards,
        errors=now.errors,
    )
