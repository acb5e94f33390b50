"""A running server's load on one screen, each figure with its last minutes as bars."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from onecard.console.sparkline import sparkline
from onecard.server.load_sample import LoadSample

COLUMNS, LINES = 60, 20  # of the smallest terminal
_TITLE, _VALUE = 18, 22  # characters beside the bars
_KEPT: Final = 600  # samples


@dataclass(frozen=True)
class _Row:
    """One figure: its value in a sample, as text, and the value of a full bar (None: the most)."""

    title: str
    value: Callable[[LoadSample], float | None]
    text: Callable[[LoadSample], str]
    top: float | None = None


def is_large_enough(console: Console) -> bool:
    """Return whether the screen fits into the terminal."""
    return console.width >= COLUMNS and console.height >= LINES


class LoadScreen:
    """Collects samples and renders them.

    title: what is served, in one line. interval_s: between two samples, as it is shown.
    """

    def __init__(self, title: str, interval_s: float) -> None:
        self.title, self._interval_s = title, interval_s
        self._samples: deque[LoadSample | None] = deque(maxlen=_KEPT)
        self._trouble = ""

    def add(self, sample: LoadSample) -> None:
        """Add a sample."""
        self._samples.append(sample)
        self._trouble = ""

    def miss(self, trouble: str) -> None:
        """Note that the server gave no sample, and why."""
        self._samples.append(None)
        self._trouble = trouble

    def rendered(self, width: int) -> RenderableType:
        """Return the screen for a terminal of so many columns."""
        last = next((each for each in reversed(self._samples) if each is not None), None)
        head = [_line(self.title, "bold")]
        if self._trouble:
            head.append(_line(self._trouble, "bold red"))
        foot = _line(f"every {self._interval_s:g} s; q or Ctrl-C leaves", "dim")
        if last is None:
            return Group(*head, _line("waiting for the first sample"), foot)
        return Group(*head, _line(""), self._table(last, width), *_errors(last), foot)

    def _table(self, last: LoadSample, width: int) -> Table:
        table = Table(box=None, padding=(0, 1, 0, 0), show_header=False, pad_edge=False)
        bars = max(8, width - _TITLE - _VALUE - 2)
        for row in _rows(last):
            values = [None if each is None else row.value(each) for each in self._samples]
            table.add_row(
                row.title.ljust(_TITLE),
                _line(sparkline(values, bars, row.top), "cyan"),
                _line("-" if self._trouble else row.text(last)),
            )
        return table


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _errors(sample: LoadSample) -> Iterator[Text]:
    yield _line("")
    if sample.errors:
        yield _line("last errors of this start", "bold")
        yield from (_line(error, "red") for error in sample.errors)
    else:
        yield _line("last errors: none in the journal of this start", "dim")
    yield _line("")


def _rows(last: LoadSample) -> Iterator[_Row]:
    yield _Row("running", lambda each: each.running, lambda each: _count(each.running, "requests"))
    yield _Row("waiting", lambda each: each.waiting, lambda each: _count(each.waiting, "requests"))
    yield _Row("finished", lambda each: each.requests_per_s, lambda e: _rate(e.requests_per_s))
    yield _Row(
        "prompt tokens",
        lambda each: each.prompt_tokens_per_s,
        lambda each: _rate(each.prompt_tokens_per_s),
    )
    yield _Row(
        "generated tokens",
        lambda each: each.generation_tokens_per_s,
        lambda each: _rate(each.generation_tokens_per_s),
    )
    yield _Row("KV cache", lambda each: each.kv_use, _kv, top=1.0)
    if last.cards:
        yield from _card_rows(len(last.cards), sum(card.memory_total_mib for card in last.cards))


def _card_rows(count: int, total_mib: int) -> Iterator[_Row]:
    of = f" of {count} cards" if count > 1 else ""
    yield _Row(f"memory{of}", _used_mib, _memory, top=total_mib)
    yield _Row(f"power{of}", _power, lambda each: _unit(_power(each), "W"))
    hottest = "hottest card" if count > 1 else "temperature"
    yield _Row(hottest, _temperature, lambda each: _unit(_temperature(each), "°C"), top=100.0)


def _used_mib(sample: LoadSample) -> float:
    return sum(card.memory_used_mib for card in sample.cards)


def _memory(sample: LoadSample) -> str:
    total = sum(card.memory_total_mib for card in sample.cards)
    return f"{_used_mib(sample) / 1024:.1f} of {total / 1024:.1f} GiB"


def _power(sample: LoadSample) -> float | None:
    known = [card.power_w for card in sample.cards if card.power_w is not None]
    return sum(known) if known else None


def _temperature(sample: LoadSample) -> float | None:
    known = (card.temperature_c for card in sample.cards if card.temperature_c is not None)
    return max(known, default=None)


def _kv(sample: LoadSample) -> str:
    if sample.kv_use is None:
        return "-"
    preempted = f", {sample.preemptions:,} preempted" if sample.preemptions else ""
    return f"{100 * sample.kv_use:.1f} %{preempted}"


def _count(value: int | None, what: str) -> str:
    return "-" if value is None else f"{value:,} {what}"


def _rate(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}/s" if value >= 10 else f"{value:.1f}/s"


def _unit(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.0f} {unit}"
