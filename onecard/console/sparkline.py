"""A row of values as one line of small bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_BARS: Final = "▁▂▃▄▅▆▇█"
_NONE: Final = "\N{NO-BREAK SPACE}"  # rich cuts other blanks off the end of a line


def sparkline(values: Sequence[float | None], width: int, top: float | None = None) -> str:
    """Return the last `width` values, the newest at the right; a blank for a missing one.

    top: the value of a full bar; the highest one shown if None.
    """
    shown = values[-width:]
    highest = top or max((value for value in shown if value is not None), default=0.0)
    return "".join(_bar(value, highest) for value in shown).rjust(width, _NONE)


def _bar(value: float | None, top: float) -> str:
    if value is None:
        return _NONE
    if top <= 0 or value <= 0:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, int(value / top * len(_BARS)))]
