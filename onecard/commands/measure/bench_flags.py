"""The flags of `invoke bench`, checked before any connection."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite

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
    least = flag_values.positive("--repeats", repeats)
    settings = BenchSettings(
        concurrencies=flag_values.numbers("--concurrency", concurrency),
        rates=tuple(_above_zero("--rates", part) for part in rates.split(",")) if rates else (),
        images=tuple(_whole("--images", part) for part in images.split(",")),
        input_tokens=flag_values.tokens("--input-tokens", input_tokens),
        output_tokens=flag_values.tokens("--output-tokens", output_tokens),
        requests=flag_values.positive("--requests", requests),
        repeats=least,
        most_repeats=flag_values.positive("--most-repeats", most_repeats or str(_UP_TO * least)),
        bounds=_bounds(goodput),
    )
    if settings.repeats < 2:
        raise UsageError("--repeats: 2 or more, or the noise of a figure is not known")
    if settings.most_repeats < settings.repeats:
        raise UsageError(
            f"--most-repeats: {settings.most_repeats} is fewer than --repeats, {least}"
        )
    return settings


def _bounds(text: str) -> Bounds:
    """Read `ttft:500,tpot:50`; empty for none."""
    known = {field.name.removesuffix("_ms"): field.name for field in fields(Bounds)}
    found = {}
    for part in text.split(",") if text else ():
        name, _, value = part.strip().partition(":")
        if name not in known:
            raise UsageError(f'--goodput: "{name}" is none of {", ".join(known)}')
        found[known[name]] = _above_zero(f"--goodput: {name}", value)
    return Bounds(**found)


def _above_zero(flag: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0 or not isfinite(number):
        raise UsageError(f'{flag}: "{text.strip()}" is not a number above 0')
    return number


def _whole(flag: str, text: str) -> int:
    if not text.strip().isdecimal():
        raise UsageError(f'{flag}: "{text.strip()}" is not a whole number')
    return int(text)
