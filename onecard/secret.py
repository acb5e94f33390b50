"""A string that cannot be printed by accident."""

from __future__ import annotations

from typing import Final


class Secret:
    """Holds a password, key or token; `repr`, `str` and f-strings show only asterisks.

    `reveal()` is the one way to the value, so that a search for it finds every use.
    """

    _MASK: Final = "********"
    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself. Never log, print, diff or put the result in argv."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self._MASK})"

    def __str__(self) -> str:
        return self._MASK

    def __format__(self, spec: str) -> str:
        return format(self._MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never pickled")
