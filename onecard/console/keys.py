"""Keys pressed on the terminal, without Enter."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PressedWithin = Callable[[float], str]


@contextmanager
def keys() -> Iterator[PressedWithin]:
    """Yield a function that waits up to so many seconds for a key; it returns "" without one.

    The terminal is as before afterwards. Ctrl-C stays an interrupt. Where standard input is no
    terminal no key comes.
    """
    if not sys.stdin.isatty():
        yield _no_key
        return
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([handle], [], [], seconds)
        return os.read(handle, 1).decode("ascii", "replace") if ready else ""

    try:
        tty.setcbreak(handle)
        yield pressed
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""
