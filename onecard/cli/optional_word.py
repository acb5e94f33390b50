"""A word of the command line without a flag that may be left out: `invoke settings [KEY]`.

Invoke's positional arguments are required: its parser ends with an error while one has no value.
"""

from __future__ import annotations

from typing import Any

from invoke import Argument, Task
from invoke.parser.parser import ParseMachine

_complete = ParseMachine.complete_context


class OptionalWord(Argument):  # type: ignore[misc]  # Invoke ships no types that are followed
    """A positional argument whose value is "" where none is given."""


def _complete_context(machine: Any) -> None:
    for argument in machine.context.missing_positional_args if machine.context else ():
        if isinstance(argument, OptionalWord):
            argument.set_value("")
    _complete(machine)


ParseMachine.complete_context = _complete_context


class OptionalWordTask(Task):  # type: ignore[misc]
    """A task whose positional arguments may be left out."""

    def get_arguments(self, *arguments: Any, **options: Any) -> list[Argument]:
        """Return the task's flags."""
        return [
            OptionalWord(names=flag.names, kind=str, help=flag.help, positional=True)
            if flag.positional
            else flag
            for flag in super().get_arguments(*arguments, **options)
        ]
