"""A string that cannot be printed by accident."""

from __future__ import annotations

import os
import re
from typing import Final

MASK: Final = "********"
SECRET_FLAGS: Final = ("--api-key", "--hf-token")
_SHORTEST: Final = 6  # a shorter value would mask parts of ordinary words
_KINDS: Final = "KEY|TOKEN|PASSWORD|PASSPHRASE|SECRET"
SECRET_NAMES: Final = re.compile(rf"({_KINDS})$")
_SHAPES: Final = re.compile(
    r"(?<=--api-key[ =])\S+|(?<=--hf-token[ =])\S+"
    r"|(?<=[Bb]earer )[\w.~+/=-]{6,}|\bhf_[A-Za-z0-9]{16,}|\bsk-[\w-]{16,}"
    r"|(?<=[Aa]uthorization: Basic )\S+"
    r"|(?<=://)[^/\s@\"']+(?=@)"  # the login in an address
)
_ASSIGNED: Final = re.compile(
    rf"""(\b[A-Z0-9_]*(?:{_KINDS})=)("[^"]*"|'[^']*'|[^\s"']+)"""  # VLLM_API_KEY=...
)
_made: set[str] = set()


class Secret:
    """Holds a password, key or token; `repr`, `str` and f-strings show only asterisks.

    `reveal()` is the one way to the value, so that a search for it finds every use.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        _made.add(value)

    def reveal(self) -> str:
        """Return the value itself. Never log, print, diff or put the result in argv."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never pickled")


def masked(text: str) -> str:
    """Return `text` with asterisks for every secret in it, for text that is stored in files.

    Secrets are the values of this process's Secrets and of environment variables named like one,
    and text in the form of an API key or a hub's token, the login in an address or a header, or the
    value of a variable named like a secret.
    """
    values = _made | {value for name, value in os.environ.items() if SECRET_NAMES.search(name)}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, MASK)
    return _ASSIGNED.sub(rf"\g<1>{MASK}", _SHAPES.sub(MASK, text))
