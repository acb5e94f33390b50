"""Values that a rule's advice derives from the captures of its pattern."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress

# More than a server has; a garbled log may hold any number.
_MOST_CARDS = 1024


def fitting_share(free: str, total: str) -> str:
    """Return the largest share of `total` GiB, in hundredths, for which `free` GiB are enough."""
    share = math.floor(float(free) / float(total) * 100) / 100
    return f"{min(max(share, 0.01), 1.0):.2f}"


def next_port(port: str) -> str:
    """Return a port next to the one in use."""
    return str(int(port) + 1 if int(port) < 65535 else 8000)


def parts(heads: str, size: str) -> str:
    """Return the largest divisor of `heads` that is at most `size`."""
    most = min(int(size), _MOST_CARDS)
    return str(next(part for part in range(most, 0, -1) if int(heads) % part == 0))


def twice(number: str) -> str:
    """Return twice the number, at least 1."""
    return str(max(2 * int(number), 1))


def parser_flag(kind: str) -> str:
    """Return the flag that sets the parser of this kind, as named in a message."""
    return "--reasoning-parser" if kind.lower() == "reasoning" else "--tool-call-parser"


def capability(digits: str) -> str:
    """Return a compute capability as NVIDIA writes it: 89 is 8.9."""
    return f"{digits[:-1]}.{digits[-1]}"


# Name in a template: the captures that it needs, and the function that computes it.
DERIVED: Mapping[str, tuple[tuple[str, ...], Callable[..., str]]] = {
    "fitting_share": (("free", "total"), fitting_share),
    "next_port": (("port",), next_port),
    "parts": (("heads", "size"), parts),
    "longer": (("seconds",), twice),
    "more": (("limit",), twice),
    "parser_flag": (("kind",), parser_flag),
    "needed_capability": (("need",), capability),
    "own_capability": (("have",), capability),
}


def derived(known: Mapping[str, str]) -> dict[str, str]:
    """Return the derived values whose captures are `known` and are numbers."""
    values: dict[str, str] = {}
    for name, (needs, function) in DERIVED.items():
        if all(need in known for need in needs):
            with suppress(ValueError, ZeroDivisionError, IndexError, StopIteration):
                values[name] = function(*(known[need] for need in needs))
    return values
