"""What is printed names the command that was typed: `onecard deploy`, where onecard is the command.

Messages, hints and help texts are written with `invoke`. An environment of pipx has no `invoke` on
the path, so there a hint would name a command that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, TextIO


class NamedStream:
    """A stream that replaces `invoke COMMAND` by `onecard COMMAND` in what is written to it.

    commands: the names of all commands; the word `invoke` before any other word stays.
    """

    def __init__(self, stream: TextIO, commands: Sequence[str]) -> None:
        self._stream = stream
        longest_first = sorted(commands, key=len, reverse=True)
        names = "|".join(map(re.escape, (*longest_first, "--list", "--help", "COMMAND")))
        self._typed = re.compile(rf"\binvoke (?=(?:{names})(?![\w-]))")

    def write(self, text: str) -> int:
        """Write the text with the command's name; return its own length."""
        self._stream.write(self._typed.sub("onecard ", text) if "invoke " in text else text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write the lines with the command's name."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
