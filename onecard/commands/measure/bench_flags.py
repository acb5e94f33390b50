"""The flags of `invoke bench`, checked before any connection."""

from __future__ import annotations

from dataclasses import fields

from onecard.cli import flag_values
from onecard.errors import UsageError
from onecard.measure.bench.bench_settings import BenchSettings
from onecard.measure.bench.figures import Bounds

_UP_TO = 4  # times --repeats: two doublings, which halve a figure's interval


def read(
    *,
    concurrency: str,
    rates: str,
    images: str,
    input_tokens: str,
    output_tokens: str,
    requests: str,
    repeats: str,
    most_repeats: str,
    goodput: str,
) -> BenchSettings:
    """Return what the flags request. Raises UsageError naming the flag."""
    least = flag_values.repeats("--repeats", repeats)
    settings = BenchSettings(
        concurrencies=flag_values.numbers("--concurrency", concurrency),
        rates=_rates(rates),
        images=tuple(flag_values.whole("--images", part.strip()) for part in images.split(",")),
        input_tokens=flag_values.tokens("--input-tokens", input_tokens),
        output_tokens=flag_values.tokens("--output-tokens", output_tokens),
        requests=flag_values.positive("--requests", requests),
        repeats=least,
        most_repeats=flag_values.positive("--most-repeats", most_repeats or str(_UP_TO * least)),
        bounds=_bounds(goodput),
    )
    if settings.most_repeats < settings.repeats:
        raise UsageError(
            f"--most-repeats: {settings.most_repeats} is fewer than --repeats, {least}"
        )
    return settings


def _rates(text: str) -> tuple[float, ...]:
    parts = text.split(",") if text else ()
    return tuple(flag_values.number("--rates", part.strip()) for part in parts)


def _bounds(text: str) -> Bounds:
    """Read `ttft:500,tpot:50`; empty for none."""
    known = {each.name.removesuffix("_ms"): each.name for each in fields(Bounds)}
    found = {}
    for part in text.split(",") if text else ():
        name, _, value = part.strip().partition(":")
        field = known[flag_values.one_of("--goodput", name, known)]
        found[field] = flag_values.number(f"--goodput: {name}", value.strip())
    return Bounds(**found)
