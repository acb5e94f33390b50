"""Parse a probe's `key=value` lines, and numbers that may not be numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from onecard.ssh.probe_batch import Answer


class Lines:
    """The lines `key=value` of one answer; a key may come several times."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, list[str]] = {}
        for line in text.splitlines():
            key, sign, value = line.partition("=")
            if sign:
                self._values.setdefault(key, []).append(value.strip())

    def all(self, key: str) -> tuple[str, ...]:
        """Return every value of a key, in order."""
        return tuple(self._values.get(key, ()))

    def one(self, key: str) -> str:
        """Return a key's first value, or an empty string."""
        return next(iter(self._values.get(key, ())), "")

    def yes(self, key: str) -> bool:
        """Return whether the key's value is `yes`."""
        return self.one(key) == "yes"

    def number(self, key: str) -> int:
        """Return a key's value as a whole number, 0 if it is not a number."""
        return whole(self.one(key)) or 0


def lines(answers: Mapping[str, Answer], name: str) -> Lines:
    """Return the lines of one probe's answer; none when the probe was not run."""
    answer = answers.get(name)
    return Lines(answer.output if answer else "")


def whole(text: str) -> int | None:
    """Return a whole number, or None for `[N/A]`, `[Not Supported]` and the like."""
    try:
        return int(text.strip())
    except ValueError:
        return None


def real(text: str) -> float | None:
    """Return a finite number, or None for any other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def gib(kib: int) -> float:
    """Return KiB as GiB, rounded to hundredths."""
    return round(kib / (1 << 20), 2)


def size_text(size_gib: float) -> str:
    """Return a size for people: in GiB, in MiB below one."""
    return f"{size_gib:.1f} GiB" if size_gib >= 1 else f"{size_gib * 1024:.0f} MiB"
