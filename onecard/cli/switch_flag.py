"""Flags that can be switched on and off, `--NAME` and `--no-NAME`, or be left to the settings.

Invoke gives a flag its `--no-` form only if the default is True, and then a flag that was not
given cannot be distinguished from one that was.
"""

from __future__ import annotations

import inspect
from typing import Any

from invoke import Argument, Task


class SwitchArgument(Argument):  # type: ignore[misc]  # Invoke ships no types that are followed
    """A flag whose value is True or False, None until it is parsed."""

    @property
    def value(self) -> bool | None:
        """Return the given value, None if there is none."""
        return self._value  # type: ignore[no-any-return]

    @value.setter
    def value(self, given: bool) -> None:
        self.set_value(given)


class SwitchTask(Task):  # type: ignore[misc]
    """A task whose parameters that are annotated as `bool` are switches.

    Parameters behind a `*` have no short flag: one letter is easily mistaken for another.
    """

    def get_arguments(self, *arguments: Any, **options: Any) -> list[Argument]:
        """Return the task's flags."""
        parameters = inspect.signature(self.body).parameters
        return [
            _with_kind(flag, parameters[flag.attr_name or flag.name])
            for flag in super().get_arguments(*arguments, **options)
        ]


def _with_kind(flag: Argument, parameter: inspect.Parameter) -> Argument:
    if parameter.kind is parameter.KEYWORD_ONLY:
        flag.names = flag.names[:1]
    if parameter.annotation not in (bool, bool | None):
        return flag
    return SwitchArgument(
        names=flag.names, attr_name=flag.attr_name, kind=bool, default=True, help=flag.help
    )
