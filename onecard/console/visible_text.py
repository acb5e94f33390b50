"""Text of a box, a server or a file, before a terminal shows it.

A terminal obeys escape sequences: they hide lines, change its title, or answer in the user's place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, Final, TextIO, cast

# A sequence as a whole (ECMA-48, 5.4 and 5.6); then whatever else is no text: other control
# characters, of which a terminal also obeys 0x80 to 0x9f, and what reverses the order of letters.
_UNSEEN: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def visible(text: str) -> str:
    """Return the text without what a terminal would obey; lines and tabs stay."""
    return _UNSEEN.sub("", text)


class _VisibleStream:
    """A stream that `print` writes visible text to.

    rich_proxied_file: where Rich writes instead, with sequences of its own; `Terminal` strips those
    of its texts.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        return self.rich_proxied_file.write(visible(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def only_visible_text() -> Iterator[None]:
    """Strip all that is printed meanwhile."""
    out, errors = (cast(TextIO, _VisibleStream(each)) for each in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(errors):
        yield
