"""Reading a probe's `key=value` lines, and numbers that may not be numbers."""

from __future__ import annotations

from collections.abc import Mapping

from onecard.script import Answer


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
        """Return whether the key was said to be `yes`."""
        return self.one(key) == "yes"

    def number(self, key: str) -> int:
        """Return a key's value as a whole number, 0 where it is none."""
        return whole(self.one(key)) or 0


def lines(answers: Mapping[str, Answer], name: str) -> Lines:
    """Return the lines of one probe's answer; none when it was not asked."""
    answer = answers.get(name)
    return Lines(answer.output if answer else "")


def whole(text: str) -> int | None:
    """Return a whole number, or None for `[N/A]`, `[Not Supported]` and the like."""
    try:
        return int(text.strip())
    except ValueError:
        return None


def gib(kib: int) -> float:
    """Return KiB as GiB, rounded to hundredths."""
    return round(kib / (1 << 20), 2)


def upstream(version: str) -> str:
    """Return a Debian version without its epoch and revision: `1:580.95.05-0ubuntu1`."""
    return version.rpartition(":")[2].rsplit("-", 1)[0]


def version_key(text: str) -> tuple[int, ...]:
    """Return the numbers in a version, for comparing: `580.159.04` -> (580, 159, 4)."""
    return tuple(
        int(part) for part in text.replace("-", ".").replace("~", ".").split(".") if part.isdigit()
    )
