"""Parse the text of flags: numbers, and settings that override a host's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from onecard.errors import UsageError

if TYPE_CHECKING:
    from onecard.inventory.host import Host


def with_flags(host: Host, flags: Mapping[str, tuple[str, object]]) -> Host:
    """Return the host with its settings overridden by flags.

    flags: `--ctx` -> (path of the setting, value or None if not given); text is parsed as YAML.
    Raises UsageError naming the flag.
    """
    from onecard.inventory.override import override

    values: dict[str, object] = {}
    origins = {}
    for flag, (path, given) in flags.items():
        if given is not None:
            values[path] = flag_value(flag, given) if isinstance(given, str) else given
            origins[path] = flag
    return override(host, values, origins) if values else host


def flag_value(flag: str, text: str) -> object:
    """Parse a flag's text: a number, a mapping, or the text itself.

    A number in quotes of its own, `'"123"'` for a shell, is text, as it is in a file.
    """
    import yaml

    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text[:1] not in ("{", "[", '"', "'"):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"{flag}: {text} is neither JSON nor YAML") from None


def one_of(flag: str, text: str, known: Iterable[str]) -> str:
    """Return a word that is one of those known. Raises UsageError."""
    words = tuple(known)
    if text not in words:
        raise UsageError(f'{flag}: "{text}" is none of {", ".join(words)}')
    return text


def positive(flag: str, text: str) -> int:
    """Parse a flag's whole number. Raises UsageError naming the flag."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(f'{flag}: "{text}" is not a whole number of at least 1')
    return number


def whole(flag: str, text: str) -> int:
    """Parse a flag's whole number, 0 included. Raises UsageError naming the flag."""
    if not text.isdecimal():
        raise UsageError(f'{flag}: "{text}" is not a whole number')
    return int(text)


def repeats(flag: str, text: str) -> int:
    """Parse how often something is measured, 2 or more. Raises UsageError naming the flag."""
    count = positive(flag, text)
    if count < 2:
        raise UsageError(f"{flag}: 2 or more, or the noise of a figure is not known")
    return count


def number(flag: str, text: str) -> float:
    """Parse a flag's number above 0. Raises UsageError naming the flag."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise UsageError(f'{flag}: "{text}" is not a number above 0')
    return found


def numbers(flag: str, text: str) -> tuple[int, ...]:
    """Parse a flag's whole numbers, separated by commas, each once. Raises UsageError."""
    return tuple(dict.fromkeys(positive(flag, part.strip()) for part in text.split(",")))


def duration(flag: str, text: str) -> float:
    """Parse a flag's time, `90s`, `30m` or `2h`, to seconds. Raises UsageError naming the flag."""
    written = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh])", text)
    seconds = float(written[1]) * {"s": 1, "m": 60, "h": 3600}[written[2]] if written else 0.0
    if not seconds:
        raise UsageError(f'{flag}: "{text}" is not a time such as 90s, 30m or 2h')
    return seconds


def tokens(flag: str, text: str) -> int:
    """Parse a flag's number of tokens: `65536`, `128k`, `1M`. Raises UsageError naming the flag."""
    from onecard.settings.token_count import EXPECTED, token_count

    try:
        return token_count(text)
    except ValueError:
        raise UsageError(f'{flag}: "{text}" is not {EXPECTED}') from None


def token_counts(flag: str, text: str) -> tuple[int, ...]:
    """Parse a flag's numbers of tokens, separated by commas, each once. Raises UsageError."""
    return tuple(dict.fromkeys(tokens(flag, part.strip()) for part in text.split(",")))
