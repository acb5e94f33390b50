"""Exit code 2 for a command line that cannot be parsed; Invoke's own is 1, which means failed here.

Invoke catches its ParseError too, to complete a flag that is typed half: this remains one.
"""

from __future__ import annotations

from typing import Any

from invoke import Exit
from invoke import program as invoke_program
from invoke.completion import complete as invoke_complete
from invoke.exceptions import ParseError
from invoke.parser import parser as invoke_parser


class CommandLineError(ParseError, Exit):  # type: ignore[misc]  # Invoke ships no types
    """A ParseError that ends the program with code 2; its text is printed once."""

    message = None  # what Exit would print beside the text
    code = 2

    def __init__(self, text: str, context: Any = None) -> None:
        Exception.__init__(self, text)
        self.context = context


# The modules that raise it by this name.
for _module in (invoke_parser, invoke_program, invoke_complete):
    _module.ParseError = CommandLineError
