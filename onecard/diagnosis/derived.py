"""What a rule's advice works out from the numbers that its pattern captured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

# More than a server has; a log that is junk may hold any number.
_MOST_CARDS = 1024


def fitting_share(free: str, total: str) -> str:
    """The largest share (in hundredths) of `total` GiB that `free` GiB are enough for."""
    share = math.floor(float(free) / float(total) * 100) / 100
    return f"{min(max(share, 0.01), 1.0):.2f}"


def next_port(port: str) -> str:
    """A port beside the one that is taken."""
    return str(int(port) + 1 if int(port) < 65535 else 8000)


def parts(heads: str, size: str) -> str:
    """The largest number, at most `size`, that divides `heads`."""
    most = min(int(size), _MOST_CARDS)
    return str(next(part for part in range(most, 0, -1) if int(heads) % part == 0))


def twice(number: str) -> str:
    """Twice what was not enough, at least one."""
    return str(max(2 * int(number), 1))


def parser_flag(kind: str) -> str:
    """The flag that chooses a parser of this kind, as a message calls it."""
    return "--reasoning-parser" if kind.lower() == "reasoning" else "--tool-call-parser"


def capability(digits: str) -> str:
    """A compute capability as NVIDIA writes it: 89 is 8.9."""
    return f"{digits[:-1]}.{digits[-1]}"


# Name in a template: the captures that it takes, and how it is made of them.
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
    """Every derived name whose captures are `known`; NUMBER where they are no numbers."""
    return {
        name: _worked_out(function, [known[need] for need in needs])
        for name, (needs, function) in DERIVED.items()
        if all(need in known for need in needs)
    }


def _worked_out(function: Callable[..., str], values: list[str]) -> str:
    try:
        return function(*values)
    except (ValueError, ZeroDivisionError, IndexError, StopIteration):
        return "NUMBER"
